/** A malformed configuration refuses to start: every error on its line, exit code 78, no port opened. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";

const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function stickyProxy(...args: readonly string[]): Promise<Ended> {
  // Nothing of the surroundings may count: neither REDIS_URL nor STICKY_… .
  const child = spawn(process.execPath, [cli, ...args], { env: { PATH: process.env.PATH }, stdio: "pipe" });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

describe("a malformed configuration", () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), "sticky-malformed-"))));
  after(() => rmSync(folder, { recursive: true }));

  function file(text: string): string {
    const path = join(folder, "sticky.yaml");
    writeFileSync(path, text);
    return path;
  }

  it("row 76: unknown key, userinfo, dot segments, a 3-byte secret, a duplicate service, a negative TTL at once", async () => {
    const config = file(
      [
        "unknown: 1",
        "services:",
        "  a:",
        "    instances: ['http://user:pass@127.0.0.1:1', 'http://127.0.0.1:2/../x']",
        "  b:",
        "    instances: ['http://127.0.0.1:3']",
        "    callbackAuth: {secrets: ['whsec_YWJj']}",
        "    routes: [{cache: {defaultTtlMs: -1}}]",
        "  b: {instances: ['http://127.0.0.1:4'], routes: [{match: {path: /a/../b}, cache: {maxTtlMs: -1}}]}",
      ].join("\n"),
    );
    const { code, out, err } = await stickyProxy(
      "serve",
      "--config",
      config,
      "--port",
      "0",
      "--ops-port",
      "0",
    );
    expect(code).to.equal(78);
    expect(out).to.equal("");
    const lines = err.trimEnd().split("\n");
    // Each begins with the file and the line: `path/sticky.yaml:9: `.
    for (const line of lines.slice(0, -1)) expect(line.replace(/:\d+: .*/s, "")).to.equal(config);
    expect(lines.map((line) => line.slice(config.length).split(": ")[1])).to.include.members([
      "Map keys must be unique",
      "unknown",
      "services.a.instances[0]",
      "services.a.instances[1]",
      "services.b.routes[0].match.path",
      "services.b.routes[0].cache.maxTtlMs",
    ]);
    expect(lines.at(-1)).to.match(/^the configuration is not valid \(\d+ errors\); nothing was started$/);
    expect(err).to.not.contain("pass@");
  });

  for (const [what, text] of [
    ["an alias bomb", "a: &a [x, x]\nb: &b [*a, *a]\nservices: {s: {instances: [*b]}}"],
    ["a function tag", "services: !!js/function 'function () {}'"],
    ["a prototype", "services: {__proto__: {instances: ['http://127.0.0.1:1']}}"],
    ["no YAML at all", "services: ["],
    ["an empty file", ""],
  ] as const)
    it(`${what}: 78, nothing on stdout`, async () => {
      const { code, out, err } = await stickyProxy("serve", "--config", file(text));
      expect(code).to.equal(78);
      expect(out).to.equal("");
      expect(err).to.contain("nothing was started");
    });

  it("a port that is taken: 69 and a line that says which", async () => {
    const taken = createServer();
    taken.listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as AddressInfo;
    try {
      const { code, err } = await stickyProxy(
        "serve",
        "--origin",
        "http://127.0.0.1:1",
        "--ops-port",
        String(port),
        "--port",
        "0",
      );
      expect(code).to.equal(69);
      expect(err).to.equal(
        `sticky-proxy: port ${port} is already in use; choose another with --port or --ops-port\n`,
      );
    } finally {
      taken.close();
    }
  });

  it("no Redis: 69 and a line that says how to name one", async function () {
    // The gateway gives Redis ten seconds to come up.
    this.timeout(20_000);
    const origin = ["--origin", "http://127.0.0.1:1", "--port", "0", "--ops-port", "0"];
    const { code, err } = await stickyProxy("serve", ...origin, "--redis", "unix:///nowhere/redis.sock");
    expect(code).to.equal(69);
    expect(err).to.match(
      /Redis at \/nowhere\/redis\.sock did not answer within 10 s: .*ENOENT.* Another one: --redis or REDIS_URL\n$/,
    );
  });

  it("an unknown flag: 64, before anything is read", async () => {
    const { code, err } = await stickyProxy("serve", "--config", "/nowhere", "--nonsense");
    expect(code).to.equal(64);
    expect(err).to.contain("Unknown option '--nonsense'");
  });
});
