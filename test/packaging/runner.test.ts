import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { expect } from "chai";
import { begin, beginRunner, endAll, processesWith, root, signalGroup, until } from "./runner.ts";

describe("the runner", function () {
  this.timeout(120_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(path.join(os.tmpdir(), "sticky-runner-"));
  });

  afterEach(async () => {
    await endAll();
    await until(() => processesWith(folder).length === 0);
    rmSync(folder, { recursive: true });
  });

  it("says what it can do when it is asked for something else", async () => {
    const run = beginRunner(["constructor"]);
    expect(await run.ended).to.equal(64);
    expect(run.stderr()).to.include("start|test|check|fix|mutants|bench|cli");
  });

  it("runs the command line with a clean stdout, and passes its exit code on", async () => {
    const version = begin("npm", ["run", "-s", "sticky-proxy", "--", "version"]);
    expect(await version.ended).to.equal(0);
    expect(version.stdout()).to.match(/^\S*\d+\.\d+\.\d+\S*\n$|^sticky-proxy \d+\.\d+\.\d+.*\n$/);

    const invalid = path.join(folder, "sticky.yaml");
    writeFileSync(invalid, "port: many\n");
    const check = begin("npm", ["run", "-s", "sticky-proxy", "--", "check-config", "--config", invalid]);
    expect(await check.ended).to.equal(78);
    expect(check.stdout() + check.stderr()).to.include("port");
  });

  it("takes paths from the folder where it was called, also for what says whether a Redis is named", async () => {
    writeFileSync(
      path.join(folder, "mine.yaml"),
      "redis: { url: 'redis://127.0.0.1:1' }\nservices: { a: { instances: [http://127.0.0.1:9] } }\n",
    );
    const script = `cd "$0" && npm --prefix "$1" run -s sticky-proxy -- "$2" --config mine.yaml`;
    const there = (command: string) =>
      begin("bash", ["-c", script, folder, root, command], { STICKY_PROXY_DATA: folder });
    const check = there("check-config");
    expect(await check.ended, check.stderr()).to.equal(0);
    const list = there("ps");
    expect(await list.ended).to.equal(69);
    expect(list.stderr()).to.include("127.0.0.1:1");
  });

  it("gives `serve` the project's Redis, shares it between gateways, and stops it with the last one", async () => {
    const serve = (...more: string[]) =>
      beginRunner(
        ["cli", "serve", "--port", "0", "--ops-port", "0", "--origin", "http://127.0.0.1:9", ...more],
        { STICKY_PROXY_DATA: folder },
      );
    const keepers = () => processesWith(folder).filter((line) => line.includes("redis-keeper"));
    const first = serve();
    await first.says("listening on");
    const second = serve("--idempotent");
    await second.says("listening on");
    expect(second.stderr()).to.include("Using the Redis that runs already");
    expect(keepers()).to.have.lengthOf(1);

    // Operating commands meet the gateways there.
    const list = beginRunner(["cli", "ps", "--json"], { STICKY_PROXY_DATA: folder });
    expect(await list.ended, list.stderr()).to.equal(0);
    expect(JSON.parse(list.stdout())).to.deep.include({ processes: [] });

    // The first one's end is not the end of Redis: the signal is passed on, and the other still needs it.
    first.child.kill("SIGINT");
    expect(await first.ended).to.equal(0);
    expect(keepers()).to.have.lengthOf(1);

    second.child.kill("SIGINT");
    expect(await second.ended).to.equal(0);
    expect(processesWith(folder)).to.deep.equal([]);
  });

  it("knows of every command whether it needs Redis", async () => {
    const { withRedis, withoutRedis } = (await import(
      pathToFileURL(path.join(root, "infra/run/cli.mjs")).href
    )) as { withRedis: string[]; withoutRedis: string[] };
    const table = readFileSync(path.join(root, "services/cli/src/cli.ts"), "utf8");
    const commands = [...table.matchAll(/^ {2}"?([\w-]+)"?: \(\) => import\(/gm)].map((match) => match[1]);
    expect(commands).to.include("serve");
    expect([...withRedis, ...withoutRedis]).to.include.members(commands);
  });

  for (const { what, args, npm = {}, port } of [
    { what: "--port 0", args: ["--port", "0"], port: "0" },
    { what: "--port=0", args: ["--port=0"], port: "0" },
    { what: "--port 0 that npm took", args: ["0"], npm: { npm_config_port: "true" }, port: "0" },
    { what: "--port=0 that npm took", args: [], npm: { npm_config_port: "0" }, port: "0" },
    { what: "a flag of serve alone", args: ["--origin", "http://127.0.0.1:9"], port: null },
    {
      what: "a flag of serve alone that npm took",
      args: ["http://h"],
      npm: { npm_config_origin: "true" },
      port: null,
    },
    {
      what: "two that npm took",
      args: ["0", "1"],
      npm: { npm_config_port: "true", npm_config_ops_port: "true" },
      port: null,
    },
    { what: "a flag without its value", args: ["--port"], port: null },
    { what: "a word", args: ["quickly"], port: null },
  ] as const) {
    it(`npm start ${port === null ? "refuses" : "takes"} ${what}`, async () => {
      const { readFlags } = (await import(
        pathToFileURL(path.join(root, "infra/run/start-flags.mjs")).href
      )) as {
        readFlags: (args: readonly string[], env: Record<string, string>) => Record<string, string>;
      };
      const read = () => readFlags(args, { npm_lifecycle_event: "start", ...npm });
      if (port === null)
        expect(read)
          .to.throw(/npm start -- \[--port/)
          .with.property("exitCode", 64);
      else expect(read()).to.deep.equal({ STICKY_PORT: port });
    });
  }

  it("says in a sentence what the system refuses, and passes by what is no folder on PATH", async () => {
    const file = path.join(folder, "a-file");
    writeFileSync(file, "");
    const blocked = beginRunner(["cli", "ps"], { STICKY_PROXY_DATA: path.join(file, "data") });
    expect(await blocked.ended).to.equal(1);
    expect(blocked.stderr())
      .to.match(/cannot be read or written: .* \(ENOTDIR\)/)
      .and.not.match(/\n\s+at /);
    const list = beginRunner(["cli", "ps", "--json"], {
      STICKY_PROXY_DATA: folder,
      PATH: `${file}:${process.env["PATH"]}`,
    });
    expect(await list.ended, list.stderr()).to.equal(0);
  });

  it("says that it was stopped when Ctrl-C comes during the install", async () => {
    const clone = path.join(folder, "clone");
    for (const name of ["infra", "package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"])
      cpSync(path.join(root, name), path.join(clone, name), { recursive: true });
    for (const name of ["packages", "services"]) mkdirSync(path.join(clone, name));
    const npx = path.join(folder, "npx");
    writeFileSync(npx, "#!/bin/sh\necho fetching >&2\nexec sleep 600\n", { mode: 0o755 });
    const run = begin(process.execPath, [path.join(clone, "infra/run.mjs"), "start"], {
      PATH: `${folder}:${process.env["PATH"]}`,
    });
    await run.says("fetching");
    signalGroup(run, "SIGINT");
    expect(await run.ended).to.equal(130);
    expect(run.stderr()).to.match(/Stopped by SIGINT\.\n$/);
  });

  it("takes Docker's Redis when no server is on PATH", async () => {
    copyFileSync(path.join(import.meta.dirname, "fake-docker.sh"), path.join(folder, "docker"));
    const list = beginRunner(["cli", "ps", "--json"], { STICKY_PROXY_DATA: folder, PATH: folder });
    expect(await list.ended, list.stderr()).to.equal(0);
    const [asked, run = ""] = readFileSync(path.join(folder, "asked"), "utf8").split("\n");
    expect(asked).to.match(/^info /);
    expect(run).to.match(/^run --rm .*--publish 127\.0\.0\.1:\d+:6379 /);
    expect(run).to.include(`--volume ${folder}/redis:/data`);
    expect(run).to.match(/ redis:[\w.-]+ redis-server \/redis\.conf /);
    expect(processesWith(folder)).to.deep.equal([]);
  });

  it("starts no Redis for `serve` when one is named", async () => {
    const named = beginRunner(
      ["cli", "serve", "--redis", "redis://127.0.0.1:1", "--port", "0", "--ops-port", "0"],
      { STICKY_PROXY_DATA: folder },
    );
    await named.ended;
    const config = path.join(folder, "sticky.yaml");
    writeFileSync(config, "redis: { url: 'redis://127.0.0.1:1' }\nport: 0\nopsPort: 0\n");
    const inFile = beginRunner(["cli", "serve", `--config=${config}`], { STICKY_PROXY_DATA: folder });
    await inFile.ended;
    for (const run of [named, inFile]) expect(run.stderr()).to.not.include("redis-server");
    expect(processesWith(path.join(folder, "redis"))).to.deep.equal([]);
  });

  describe("npm test", () => {
    const tests = (file: string, text: string): string => {
      writeFileSync(path.join(folder, file), text);
      return path.join(folder, file);
    };
    const test = (...args: string[]) => beginRunner(["test", ...args], { REDIS_URL: "redis://127.0.0.1:1" });

    it("ends with mocha's exit code and a line that counts", async () => {
      const file = tests(
        "a.test.ts",
        'it("works", () => {});\nit("does not", () => { throw new Error("no"); });\n',
      );
      const run = test(file);
      expect(await run.ended).to.equal(1);
      expect(run.stdout()).to.include("1 passing");
      expect(run.stdout().trimEnd().split("\n").at(-1)).to.equal("1 passed, 1 failed");
    });

    it("hands other arguments to mocha", async () => {
      const file = tests(
        "b.test.ts",
        'it("red", () => { throw new Error("no"); });\nit("green", () => {});\n',
      );
      const run = test(file, "--grep", "green");
      expect(await run.ended).to.equal(0);
      expect(run.stdout().trimEnd().split("\n").at(-1)).to.equal("1 passed, 0 failed");
    });

    it("fails when a file cannot be loaded, and when no test ran", async () => {
      const broken = test(tests("c.test.ts", 'import "./nowhere.ts";\n'));
      expect(await broken.ended).to.not.equal(0);
      expect(broken.stdout().trimEnd().split("\n").at(-1)).to.equal("0 passed, 1 failed");
      const empty = test(tests("d.test.ts", ""));
      expect(await empty.ended).to.equal(1);
    });
  });
});
