import { Writable } from "node:stream";
import { expect } from "chai";
import { createLogger } from "./logger.ts";
import { createMetrics } from "./metrics.ts";
import {
  createOpsServer,
  readiness,
  type CheckResult,
  type OpsServer,
  type Readiness,
} from "./ops-server.ts";

const logger = createLogger({
  level: "error",
  stream: new Writable({ write: (_chunk, _encoding, done) => done() }),
});
const metrics = createMetrics({ version: "1", node: "n", configHash: "c", services: [], routes: [] });

describe("ops server", () => {
  let ops: OpsServer;
  let base: string;
  let isDraining = false;
  let redis: CheckResult = { state: "ok" };
  beforeEach(async () => {
    isDraining = false;
    redis = { state: "ok" };
    ops = createOpsServer({ metrics, logger, isDraining: () => isDraining });
    ops.check("redis", () => redis);
    base = `http://127.0.0.1:${await ops.listen(0, "127.0.0.1")}`;
  });
  afterEach(() => ops.close());

  const ready = async (): Promise<[number, Readiness]> => {
    const answer = await fetch(`${base}/readyz`);
    return [answer.status, (await answer.json()) as Readiness];
  };

  it("/readyz is 200 while every check is ok", async () => {
    expect(await ready()).to.deep.equal([200, { status: "ready", checks: { redis: { state: "ok" } } }]);
  });

  it("/readyz is 200 with a degraded check, which the body names", async () => {
    redis = { state: "degraded", reason: "Redis is away" };
    const [status, body] = await ready();
    expect([status, body.status]).to.deep.equal([200, "degraded"]);
    expect(body.checks.redis).to.include({ reason: "Redis is away" });
  });

  it("/readyz is 503 with a failed check, also beside a degraded one, and the body names it", async () => {
    ops.check("settings", () => ({ state: "failed", reason: "appendfsync is everysec, must be always" }));
    redis = { state: "degraded", reason: "slow" };
    const [status, body] = await ready();
    expect([status, body.status]).to.deep.equal([503, "not-ready"]);
    expect(body.checks.settings).to.include({ reason: "appendfsync is everysec, must be always" });
  });

  it("a check that throws counts as failed", async () => {
    ops.check("broken", () => {
      throw new Error("secret detail");
    });
    const [status, body] = await ready();
    expect(status).to.equal(503);
    expect(JSON.stringify(body)).to.not.contain("secret detail");
  });

  it("while draining /readyz is 503 and /livez 200", async () => {
    isDraining = true;
    expect((await ready())[0]).to.equal(503);
    redis = { state: "failed", reason: "gone" };
    expect((await fetch(`${base}/livez`)).status).to.equal(200);
  });

  it("/metrics returns the Prometheus text format", async () => {
    const answer = await fetch(`${base}/metrics?x=1`);
    expect(answer.headers.get("content-type")).to.match(/^text\/plain; version=0\.0\.4/);
    expect(await answer.text()).to.contain("# TYPE sticky_proxy_redis_up gauge");
  });

  it("a response to HEAD has no body; other methods are 405 with Allow, other paths 404", async () => {
    const head = await fetch(`${base}/livez`, { method: "HEAD" });
    expect([head.status, await head.text()]).to.deep.equal([200, ""]);
    const post = await fetch(`${base}/livez`, { method: "POST" });
    expect([post.status, post.headers.get("allow")]).to.deep.equal([405, "GET, HEAD"]);
    expect((await fetch(`${base}/`)).status).to.equal(404);
  });

  it("listening on a port in use rejects", async () => {
    const other = createOpsServer({ metrics, logger, isDraining: () => false });
    const port = Number(new URL(base).port);
    const error = await other.listen(port, "127.0.0.1").then(
      () => null,
      (reason: unknown) => reason as NodeJS.ErrnoException,
    );
    expect(error?.code).to.equal("EADDRINUSE");
  });

  it("without checks the node is ready", () => {
    expect(readiness(new Map(), false)).to.deep.equal({ status: "ready", checks: {} });
  });
});
