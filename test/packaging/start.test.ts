import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { begin, endAll, processesWith, signalGroup, until, type Run } from "./runner.ts";

describe("npm start", function () {
  this.timeout(240_000);
  let data: string;

  beforeEach(() => {
    data = mkdtempSync(path.join(os.tmpdir(), "sticky-start-"));
  });

  afterEach(async () => {
    await endAll();
    await until(() => processesWith(data).length === 0);
    rmSync(data, { recursive: true });
  });

  async function start(env: Record<string, string> = {}, args: readonly string[] = []): Promise<Run> {
    const run = begin("npm", ["start", ...args], {
      STICKY_PROXY_DATA: data,
      STICKY_PORT: "0",
      STICKY_OPS_PORT: "0",
      STICKY_ADMIN_PORT: "0",
      ...env,
    });
    await run.says("Try it:");
    await run.says("STICKY_CONFIG" in env ? "/mine/" : "delayMs\": 2000}'");
    return run;
  }

  const portOf = (run: Run): string => /gateway +http:\/\/127\.0\.0\.1:(\d+)/.exec(run.stdout())![1]!;
  const logsOf = (run: Run): string => /logs +(\S+)/.exec(run.stdout())![1]!;
  const pidsOf = (words: string): number[] =>
    processesWith(data)
      .filter((line) => line.includes(words))
      .map((line) => Number(line.split(" ")[0]));

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

  it("takes over what a killed start left behind, on the same ports, and keeps its results", async () => {
    const first = await start();
    const body = await (await suggested(first)[0]!()).text();
    const orphans = pidsOf("services/");
    expect(orphans).to.have.length(3);
    for (const pid of pidsOf("infra/run.mjs start")) process.kill(pid, "SIGKILL");
    await first.ended.catch(() => undefined);
    const second = await start({ STICKY_PORT: portOf(first) });
    expect(second.stderr()).to.match(/left behind: demo-1 \(\d+\), demo-2 \(\d+\), gateway \(\d+\)/);
    expect(portOf(second)).to.equal(portOf(first));
    expect(pidsOf("services/").filter((pid) => orphans.includes(pid))).to.deep.equal([]);
    const again = await suggested(second)[0]!();
    expect(again.headers.get("idempotent-replayed")).to.equal("true");
    expect(await again.text()).to.equal(body);
  });

  it("keeps one Redis on its data when the keeper is killed, and starts it again when it dies itself", async () => {
    const run = await start();
    // By its port: a Redis hides command line and environment behind a title of its own.
    const [, port = ""] = /Redis +redis:\/\/127\.0\.0\.1:(\d+)/.exec(run.stdout()) ?? [];
    const servers = () =>
      processesWith(`127.0.0.1:${port}`).filter((line) => line.includes("redis-server 127"));
    const [server = ""] = servers();
    const pid = Number(server.split(" ")[0]);
    process.kill(pidsOf("redis-keeper")[0]!, "SIGKILL");
    await run.says("it is looked after again");
    expect(servers()).to.deep.equal([server]);
    process.kill(pid, "SIGKILL");
    await until(async () => (await suggested(run)[0]!().catch(() => null))?.status === 201);
    expect(servers()).to.have.length(1).and.not.include(server);
    signalGroup(run, "SIGINT");
    await run.ended;
    expect(processesWith(data)).to.deep.equal([]);
  });

  it("tries the services of one's own configuration, and leaves the logs of a start beside it alone", async () => {
    const file = path.join(data, "sticky.yaml");
    writeFileSync(
      file,
      "services: { mine: { instances: [http://127.0.0.1:9], routes: [{ match: { methods: [POST], path: /pay }, process: { identity: key } }] } }\n",
    );
    const first = await start();
    const log = path.join(logsOf(first), "gateway.log");
    const said = readFileSync(log, "utf8");
    const second = await start({ STICKY_CONFIG: file, STICKY_PORT: "" }, ["--", "--port", "0"]);
    expect(second.stdout()).to.match(
      /curl -i -X POST -H 'Idempotency-Key: "try-1"' -H '[^']+' -d '{}' 'http:\/\/127\.0\.0\.1:\d+\/mine\/pay'/,
    );
    expect(second.stdout()).to.not.include("/payments/charges");
    expect(logsOf(second)).to.not.equal(logsOf(first));
    expect(readFileSync(log, "utf8").startsWith(said)).to.equal(true);
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
