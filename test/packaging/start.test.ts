import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { begin, endAll, processesWith, signalGroup, until, type Run } from "./runner.ts";

describe("npm start", function () {
  this.timeout(60_000);
  let data: string;

  beforeEach(() => {
    data = mkdtempSync(path.join(os.tmpdir(), "sticky-start-"));
  });

  afterEach(async () => {
    await endAll();
    await until(() => processesWith(data).length === 0);
    rmSync(data, { recursive: true });
  });

  async function start(): Promise<Run> {
    const run = begin("npm", ["start"], {
      STICKY_PROXY_DATA: data,
      STICKY_PORT: "0",
      STICKY_OPS_PORT: "0",
      STICKY_ADMIN_PORT: "0",
    });
    await run.says("Try it:");
    await run.says("delayMs\": 2000}'");
    return run;
  }

  it("prints requests that work, keeps their results over a restart, and leaves nothing running", async () => {
    const first = await start();
    const [payment, report, job] = suggested(first);
    const paid = await payment!();
    expect(paid.status).to.equal(201);
    expect(paid.headers.get("idempotent-replayed")).to.equal("false");
    const body = await paid.text();

    const accepted = await report!();
    expect(accepted.status).to.equal(202);
    const location = accepted.headers.get("location") ?? "";
    expect(location).to.match(/\/processes\//);

    const answered = await job!();
    expect(answered.status).to.equal(200);
    expect(await answered.text()).to.include("a-1");

    // As a terminal does: everybody in the group gets it, and npm passes it on once more.
    signalGroup(first, "SIGINT");
    await first.ended;
    expect(processesWith(data)).to.deep.equal([]);

    const second = await start();
    const again = await suggested(second)[0]!();
    expect(again.status).to.equal(201);
    expect(again.headers.get("idempotent-replayed")).to.equal("true");
    expect(await again.text()).to.equal(body);

    second.child.kill("SIGTERM"); // npm alone
    await second.ended;
    expect(processesWith(data)).to.deep.equal([]);
  });

  it("leaves nothing running even when it is killed", async () => {
    const run = await start();
    expect(processesWith(data).some((line) => line.includes("redis-server"))).to.equal(true);
    signalGroup(run, "SIGKILL");
    await until(() => processesWith(data).length === 0);
  });

  it("starts nothing with a wrong configuration: its errors, and 78", async () => {
    const file = path.join(data, "sticky.yaml");
    writeFileSync(file, "services: { a: {} }\n");
    const run = begin("npm", ["start"], { STICKY_PROXY_DATA: data, STICKY_PORT: "0", STICKY_CONFIG: file });
    expect(await run.ended).to.equal(78);
    expect(run.stderr()).to.include("services.a.instances: is required");
    expect(existsSync(path.join(data, "redis"))).to.equal(false);
  });

  it("says which port is taken and how to take another", async () => {
    const first = await start();
    const port = /gateway +http:\/\/127\.0\.0\.1:(\d+)/.exec(first.stdout())?.[1] ?? "";
    const second = begin("npm", ["start"], { STICKY_PROXY_DATA: data, STICKY_PORT: port });
    expect(await second.ended).to.equal(1);
    expect(second.stderr()).to.match(new RegExp(`Port ${port} is in use.*STICKY_PORT=\\d+ npm start`, "s"));
  });
});

/** The printed curl lines as requests. */
function suggested(run: Run): (() => Promise<Response>)[] {
  return [...run.stdout().matchAll(/^ *curl -i (\S+)((?: -[Hd] '[^']*')+)$/gm)].map(
    ([, url = "", options = ""]) => {
      const headers = [...options.matchAll(/-H '([^:]+): ([^']*)'/g)].map(([, name = "", value = ""]) => [
        name,
        value,
      ]);
      const body = /-d '([^']*)'/.exec(options)?.[1] ?? null;
      return () => fetch(url, { method: "POST", headers: headers as [string, string][], body });
    },
  );
}
