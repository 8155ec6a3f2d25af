/** Gateways of unlike configurations on the project's own Redis: none answers with another's results. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { beginRunner, endAll, processesWith, until, type Run } from "./runner.ts";

describe("two configurations on the project's own Redis", function () {
  this.timeout(240_000);
  let folder: string;
  const services: Server[] = [];

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "sticky-prefix-"));
  });

  afterEach(async () => {
    await endAll();
    await until(() => processesWith(folder).length === 0);
    rmSync(folder, { recursive: true });
    await Promise.all(services.splice(0).map((one) => new Promise((resolve) => one.close(resolve))));
  });

  async function service(name: string): Promise<string> {
    const server = createServer((_request, response) => response.end(name));
    services.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const cli = (...args: string[]): Run => beginRunner(["cli", ...args], { STICKY_PROXY_DATA: folder });

  async function serve(...args: string[]): Promise<(key: string) => Promise<string>> {
    const run = cli("serve", "--port", "0", "--ops-port", "0", ...args);
    await run.says("listening on");
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(
      /.*listening on.*/.exec(run.stdout() + run.stderr())![0],
    )![0];
    return async (key) => {
      const headers = { "idempotency-key": key };
      return (await fetch(url, { method: "POST", headers, body: "pay" })).text();
    };
  }

  async function listed(...args: string[]): Promise<number> {
    const run = cli("ps", "--json", ...args);
    expect(await run.ended, run.stderr()).to.equal(0);
    return (JSON.parse(run.stdout()) as { processes: unknown[] }).processes.length;
  }

  it("the same key is each service's own; commands say which gateway they mean", async () => {
    const [first, second] = [await service("first"), await service("second")];
    const payFirst = await serve("--idempotent", "--origin", first);
    expect(await payFirst('"k"')).to.equal("first");
    expect(await listed(), "the only gateway").to.equal(1);

    const paySecond = await serve("--idempotent", "--origin", second);
    expect(await paySecond('"k"')).to.equal("second");
    expect(await payFirst('"k"')).to.equal("first");
    await paySecond('"another"');
    expect(await listed("--origin", first)).to.equal(1);
    expect(await listed("--origin", `${second}/`), "the same origin, written otherwise").to.equal(2);

    const unclear = cli("ps");
    expect(await unclear.ended).to.equal(64);
    expect(unclear.stderr()).to.include(`--origin ${first}`).and.include(`--origin ${second}`);
  });

  it("a file has its own too, unless it names a prefix", async () => {
    const origin = await service("filed");
    const own = path.join(folder, "own.yaml");
    const named = path.join(folder, "named.yaml");
    const routes = "routes: [{ match: { methods: [POST] }, process: { identity: key } }]";
    const text = `services: { origin: { match: { path: / }, instances: ["${origin}"], ${routes} } }\n`;
    writeFileSync(own, text);
    writeFileSync(named, `redis: { keyPrefix: "mine:" }\n${text}`);
    const pay = await serve("--config", own);
    expect(await pay('"k"')).to.equal("filed");
    expect(await listed("--config", own)).to.equal(1);
    expect(await listed("--key-prefix", "sp:")).to.equal(0);

    await (
      await serve("--config", named)
    )('"k"');
    expect(await listed("--config", named)).to.equal(1);
    expect(await listed("--key-prefix", "mine:")).to.equal(1);
  });
});
