/** SIGHUP: a running gateway takes over new services, and keeps the old ones when the file is wrong. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDemo, type Demo } from "@sticky-proxy/demo";
import { startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";

const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

describe("reload by SIGHUP", function () {
  this.timeout(20_000);
  let redis: TestRedis;
  let demo: Demo;
  let folder: string;
  let child: ChildProcess;
  let said = "";
  const listeners = new Set<() => void>();

  before(async () => {
    [redis, demo] = await Promise.all([startRedis(), startDemo({ port: 0 })]);
    folder = mkdtempSync(join(tmpdir(), "sticky-reload-"));
  });
  after(async () => {
    if (child.exitCode === null) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    rmSync(folder, { recursive: true });
    await Promise.all([redis.stop(), demo.close()]);
  });

  const path = (): string => join(folder, "sticky.yaml");
  const write = (text: string): void => writeFileSync(path(), text);

  /** Resolves with the match as soon as the program's output holds it after `from`. */
  function output(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    return new Promise((resolve) => {
      const look = (): void => {
        const match = pattern.exec(said.slice(from));
        if (match === null) return;
        listeners.delete(look);
        resolve(match);
      };
      listeners.add(look);
      look();
    });
  }

  function hangUp(pattern: RegExp): Promise<RegExpExecArray> {
    const from = said.length;
    child.kill("SIGHUP");
    return output(pattern, from);
  }

  it("uses what is new, refuses what is wrong or needs a restart, and goes on all the while", async () => {
    write(`services:\n  a: {instances: ['${demo.url}']}\n`);
    const args = [cli, "serve", "--config", path(), "--port", "0", "--ops-port", "0"];
    child = spawn(process.execPath, args, {
      env: { PATH: process.env.PATH, REDIS_URL: redis.url },
      stdio: "pipe",
    });
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        for (const look of listeners) look();
      });
    const [, url, opsUrl] = await output(/listening on (\S+) \(ops (\S+),/);
    const status = async (name: string) => (await fetch(`${url}/${name}/health`)).status;
    const success = async () =>
      /^sticky_proxy_config_reload_success (\d)$/m.exec(await (await fetch(`${opsUrl}/metrics`)).text())?.[1];
    expect([await status("a"), await status("b")]).to.deep.equal([200, 404]);

    write(`services:\n  a: {instances: ['${demo.url}']}\n  b: {instances: ['${demo.url}']}\n`);
    await hangUp(/"config\.reloaded".*"services":2/);
    expect([await status("a"), await status("b"), await success()]).to.deep.equal([200, 200, "1"]);

    write(`services:\n  a: {instances: ['${demo.url}'], colour: red}\n`);
    const [refused] = await hangUp(/"config\.reload-refused".*/);
    expect(refused).to.contain("services.a.colour: is not allowed");
    expect([await status("b"), await success()]).to.deep.equal([200, "0"]);

    write(`limits: {headerLines: 20}\nservices:\n  a: {instances: ['${demo.url}']}\n`);
    const [postponed] = await hangUp(/"config\.reload-refused".*/);
    expect(postponed).to.contain("limits: a change needs a restart");
    expect(await status("b")).to.equal(200);

    write(`services:\n  a: {instances: ['${demo.url}']}\n`);
    await hangUp(/"config\.reloaded".*"services":1/);
    expect([await status("a"), await status("b"), await success()]).to.deep.equal([200, 404, "1"]);

    child.kill("SIGINT");
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code).to.equal(0);
  });
});
