/** The one-line forms of the command line, run as a user would: real program, real Redis, real service. */
import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { join } from "node:path";
import { startDemo, type Demo } from "@sticky-proxy/demo";
import { startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { until } from "../support/until.ts";

/** RFC 6455 1.3. */
const webSocketGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

interface Gateway {
  readonly url: string;
  readonly opsUrl: string;
  readonly child: ChildProcess;
}

/** Waits for the one line on stderr that says where it listens. */
function serve(redis: TestRedis, ...args: readonly string[]): Promise<Gateway> {
  const child = spawn(process.execPath, [cli, ...args, "--port", "0", "--ops-port", "0"], {
    env: { PATH: process.env.PATH, REDIS_URL: redis.url },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  const { promise, resolve, reject } = Promise.withResolvers<Gateway>();
  child.stderr.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    const line = /listening on (\S+) \(ops (\S+),/.exec(said);
    if (line !== null) resolve({ url: line[1]!, opsUrl: line[2]!, child });
  });
  child.once("exit", () => reject(new Error(`the gateway did not start:\n${said}`)));
  return promise;
}

async function stop({ child }: Gateway): Promise<number | null> {
  child.kill("SIGINT");
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

describe("quick forms", function () {
  this.timeout(20_000);
  let redis: TestRedis;
  let origin: Demo;
  let second: Demo;
  before(async () => {
    redis = await startRedis();
    origin = await startDemo({ port: 0 }, { name: "origin" });
    second = await startDemo({ port: 0 }, { name: "second", hashMemoryKib: 8 });
  });
  after(() => Promise.all([redis.stop(), origin.close(), second.close()]));

  it("--origin --idempotent: the same key runs once; without a key it is a plain proxy; SIGINT ends it with 0", async () => {
    const gateway = await serve(redis, "serve", "--origin", origin.url, "--idempotent");
    const charge = (headers: Record<string, string>) =>
      fetch(`${gateway.url}/charges`, { method: "POST", body: '{"amount": 7}', headers });
    const key = { "idempotency-key": "quick-1" };
    const [first, again] = [await charge(key), await charge(key)];
    expect([first.status, first.headers.get("idempotent-replayed")]).to.deep.equal([201, "false"]);
    expect([again.status, again.headers.get("idempotent-replayed")]).to.deep.equal([201, "true"]);
    expect(await again.text()).to.equal(await first.text());
    const plain = [await charge({}), await charge({})];
    expect(plain.map(({ headers }) => headers.get("sticky-process-id"))).to.deep.equal([null, null]);
    const listed = (await (await fetch(`${gateway.url}/charges?key=quick-1`)).json()) as { count: number };
    expect(listed.count).to.equal(1);
    expect((await fetch(`${gateway.opsUrl}/readyz`)).status).to.equal(200);
    expect(await (await fetch(`${gateway.opsUrl}/metrics`)).text()).to.match(
      /sticky_proxy_build_info\{version="[^"]+",node="[^"]+",config_hash="[0-9a-f]{12}"\} 1/,
    );
    expect(await stop(gateway)).to.equal(0);
  });

  it("stays ready, and passes plain traffic, while Redis is away", async () => {
    const own = await startRedis();
    const gateway = await serve(own, "serve", "--origin", origin.url, "--idempotent");
    await own.kill();
    const readyz = async () => {
      const response = await fetch(`${gateway.opsUrl}/readyz`);
      return {
        status: response.status,
        body: (await response.json()) as { checks: Record<string, { state: string }> },
      };
    };
    const seen = await until(async () => {
      const now = await readyz();
      return now.body.checks["sweeper"]?.state === "ok" || now.body.checks["redis"]?.state === "ok"
        ? null
        : now;
    });
    expect(seen.status).to.equal(200);
    expect(seen.body).to.include({ status: "degraded" });
    expect((await fetch(`${gateway.url}/charges?key=none`)).status).to.equal(200);
    await stop(gateway);
    await own.stop();
  });

  it("--idempotent in front of an application: its own Host, a large body without a key, a WebSocket", async () => {
    const seen: { readonly host: string | undefined; readonly bytes: number }[] = [];
    const application = createServer((request, response) => {
      let bytes = 0;
      request.on("data", (part: Buffer) => (bytes += part.byteLength));
      request.on("end", () => {
        seen.push({ host: request.headers.host, bytes });
        response.end("taken");
      });
    });
    application.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
      seen.push({ host: request.headers.host, bytes: 0 });
      const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${webSocketGuid}`);
      socket.end(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
          `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
      );
    });
    application.listen(0, "127.0.0.1");
    await once(application, "listening");
    const { port } = application.address() as AddressInfo;
    const gateway = await serve(redis, "serve", "--origin", `http://127.0.0.1:${port}`, "--idempotent");
    const { host } = new URL(gateway.url);
    const body = Buffer.alloc(3_000_000, "x");
    const push = (headers: Record<string, string>) =>
      fetch(`${gateway.url}/repo/git-receive-pack`, { method: "POST", body, headers });
    expect((await push({})).status).to.equal(200);
    expect((await push({ "idempotency-key": "large" })).status).to.equal(413);
    const socket = new WebSocket(`ws://${host}/chat`);
    await once(socket, "open");
    expect(seen).to.deep.equal([
      { host, bytes: body.byteLength },
      { host, bytes: 0 },
    ]);
    expect(await stop(gateway)).to.equal(0);
    application.close();
  });

  it("flags without a command serve too: --origin --cache --ttl", async () => {
    const gateway = await serve(redis, "--origin", origin.url, "--cache", "--ttl", "60");
    const look = async () => {
      const answer = await fetch(`${gateway.url}/products/1`);
      await answer.text(); // its end says that it is stored
      return answer.headers.get("x-cache");
    };
    expect([await look(), await look()]).to.deep.equal(["MISS", "HIT"]);
    expect(await stop(gateway)).to.equal(0);
  });

  it("--mirror: the client gets the origin's answer and never reaches the second backend by name", async () => {
    const gateway = await serve(redis, "serve", "--origin", origin.url, "--mirror", second.url);
    const answer = await fetch(`${gateway.url}/charges`, { method: "POST", body: '{"amount": 9}' });
    expect([answer.status, answer.headers.get("x-demo-instance")]).to.deep.equal([201, "origin"]);
    const byName = await fetch(`${gateway.url}/mirror/charges`);
    expect([byName.status, byName.headers.get("x-demo-instance")]).to.deep.equal([404, "origin"]);
    expect(await stop(gateway)).to.equal(0);
  });
});
