/**
 * The documents as a new user follows them, README.md first: `npm start`, then every marked block, typed into bash in
 * the order of the pages. Only ports and process ids are put in, as the user would do; what a page shows must come out.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { loadConfig } from "@sticky-proxy/runtime";
import { expect } from "chai";
import { parse } from "yaml";
import { begin, endAll, processesWith, until, type Run } from "../packaging/runner.ts";
import { freePorts } from "../support/ports.ts";
import { blocksOf, missingLine, replaceAll } from "./blocks.ts";
import { root } from "./generated.ts";

const pages = ["README.md", "USES.md", "API.md", "CONFIGURATION.md", "OPERATIONS.md", "MIGRATING.md"].map(
  (file) => {
    const text = readFileSync(path.join(root, file), "utf8");
    return { file, text, blocks: blocksOf(text) };
  },
);
const readme = pages[0]!;
const blocks = pages.flatMap(({ file, blocks: found }) => found.map((block) => ({ file, ...block })));
const shell = blocks.filter(({ info }) => info.split(" ")[0] === "sh");

describe("the documents, followed by a new user", function () {
  this.timeout(60_000);
  const ids = new Map<string, string>();
  let ports = new Map<string, string>();
  let data: string;
  let started: Run;
  const besides: Run[] = [];

  async function start(): Promise<void> {
    started = begin("npm", ["start"], {
      STICKY_PROXY_DATA: data,
      STICKY_PORT: "0",
      STICKY_OPS_PORT: "0",
      STICKY_ADMIN_PORT: "0",
    });
    await started.says("delayMs\": 2000}'");
    const said = started.stdout();
    const port = (pattern: RegExp): string =>
      pattern.exec(said)?.[1] ?? expect.fail(`no ${pattern.source}: ${said}`);
    const demos = /demo service +http:\/\/127\.0\.0\.1:(\d+) +http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? [];
    const [beside, besideOps, more, moreOps] = (await freePorts(4)).map(String);
    ports = new Map([
      ["127.0.0.1:8080", `127.0.0.1:${port(/gateway +http:\/\/127\.0\.0\.1:(\d+)/)}`],
      ["127.0.0.1:8090", `127.0.0.1:${port(/admin panel +http:\/\/127\.0\.0\.1:(\d+)/)}`],
      ["127.0.0.1:9180", `127.0.0.1:${port(/http:\/\/127\.0\.0\.1:(\d+)\/metrics/)}`],
      ["127.0.0.1:4001", `127.0.0.1:${demos[1]}`],
      ["127.0.0.1:4002", `127.0.0.1:${demos[2]}`],
      ["127.0.0.1:3000", `127.0.0.1:${beside}`],
      ["--port 3000", `--port ${beside}`],
      ["--ops-port 9190", `--ops-port ${besideOps}`],
      ["127.0.0.1:3001", `127.0.0.1:${more}`],
      ["--port 3001", `--port ${more}`],
      ["--ops-port 9191", `--ops-port ${moreOps}`],
      // The same with the ports that the demo has this time.
      ["--config infra/demo/sticky.yaml", `--config ${path.join(data, "demo.sticky.yaml")}`],
    ]);
  }

  const asOnThePage = (): Map<string, string> =>
    new Map([...ports].map(([shown, actual]) => [actual, shown]));

  async function stop(): Promise<void> {
    started.child.kill("SIGTERM");
    await started.ended;
    await until(() => processesWith(data).length === 0);
  }

  before(async () => {
    data = mkdtempSync(path.join(os.tmpdir(), "sticky-readme-"));
    await start();
  });

  after(async () => {
    await endAll();
    await until(() => processesWith(data).length === 0);
    rmSync(data, { recursive: true });
  });

  const type = (text: string): Run => {
    // The prompt that a terminal shows after an answer without a line end.
    const lines = text.split("\n").map((line) => (line.endsWith("\\") ? line : `${line}\necho`));
    const script = replaceAll(replaceAll(lines.join("\n"), ids), ports);
    return begin("bash", ["-c", script], { STICKY_PROXY_DATA: data, TMPDIR: data });
  };

  const runScript = (text: string): Run =>
    begin(process.execPath, ["--input-type=module-typescript", "-e", replaceAll(text, ports)]);

  async function follow(run: Run, shown: string | null): Promise<void> {
    await run.ended;
    const output = replaceAll(run.stdout(), asOnThePage());
    const missing = shown === null ? null : missingLine(shown, output, ids);
    expect(
      missing,
      `the page shows a line that was not printed; printed was:\n${output}${run.stderr()}`,
    ).to.equal(null);
  }

  it("npm start prints what the page shows, and three requests that stand on the pages", () => {
    const said = replaceAll(started.stdout(), asOnThePage());
    const shown = blocks.find(({ text }) => text.startsWith("sticky-proxy is running."))?.text;
    expect(missingLine(shown ?? "not shown", said, new Map())).to.equal(null);
    const suggested = [...said.matchAll(/^ *(curl .+)$/gm)].map(([, line]) => line);
    expect(suggested).to.have.lengthOf(3);
    for (const line of suggested)
      expect(
        shell.some(({ text }) => text.split("\n").includes(line!)),
        line,
      ).to.equal(true);
  });

  for (const { file, info, text, shown, line } of blocks) {
    const name = `${file} line ${line}: ${text.split("\n")[0]!.slice(0, 90)}`;
    if (info === "sh run") it(name, () => follow(type(text), shown));
    if (info === "ts run") it(name, () => follow(runScript(text), shown));
    if (info === "sh run-beside")
      it(name, async () => {
        besides.push(type(text));
        await besides.at(-1)?.says("listening on");
      });
  }

  it("SIGTERM ends it and leaves nothing running; a second start serves the earlier results", async () => {
    await endBeside();
    await stop();
    await start();
    const again = shell.filter(({ info }) => info === "sh run-after-restart");
    expect(again).to.have.lengthOf(1);
    for (const { text, shown } of again) await follow(type(text), shown);
    await stop();
  });

  /** Ctrl-C in the terminal of what was started beside. */
  async function endBeside(): Promise<void> {
    for (const { child, ended } of besides) {
      process.kill(-(child.pid ?? 0), "SIGINT");
      await ended;
    }
  }
});

describe("the documents' blocks", () => {
  it("are commands that a test runs, but for the ones that start something", () => {
    const unmarked = shell.filter(({ info }) => info === "sh").map(({ text }) => text.split(" #")[0]!.trim());
    expect(unmarked).to.deep.equal(["npm start", "docker compose up --build", "docker compose up --build"]);
    expect(new Set(shell.map(({ info }) => info))).to.deep.equal(
      new Set(["sh", "sh run", "sh run-beside", "sh run-after-restart"]),
    );
  });

  it("show what comes out of every request", () => {
    for (const { file, info, text, shown, line } of shell)
      if (info === "sh run" && text.includes("curl")) expect(shown, `${file} line ${line}`).to.be.a("string");
  });

  const secret = {
    STICKY_SECRET_REPORTS: `whsec_${"c2VjcmV0".repeat(4)}`,
    STICKY_SECRET_VAULT: Buffer.alloc(32, 1).toString("base64"),
    STICKY_SECRET_TOKENS: "token-secret-of-today-0123456789abcdef",
    STICKY_SECRET_TOKENS_BEFORE: "token-secret-of-before-0123456789abcdef",
  };
  for (const { file, text, line } of blocks.filter(({ info }) => info === "yaml")) {
    it(`the configuration of ${file} line ${line} is valid`, () => {
      const loaded = loadConfig({ yaml: text, env: secret, flags: {}, node: "n" });
      expect(loaded.ok ? [] : loaded.errors).to.deep.equal([]);
    });
  }

  it("show five uses, each with a configuration of the demo's own services", () => {
    const demo = parse(readFileSync(path.join(root, "infra/demo/sticky.yaml"), "utf8")) as {
      services: Record<string, { instances: string[] }>;
    };
    const [, after = ""] = readme.text.split("\n## Five uses\n");
    const uses = blocksOf(after.split("\n## ")[0] ?? "").filter(({ info }) => info === "yaml");
    expect(uses).to.have.lengthOf(5);
    for (const { text } of uses) {
      const { services } = parse(text) as typeof demo;
      for (const [name, { instances }] of Object.entries(services))
        expect(instances, name).to.deep.equal(demo.services[name]?.instances);
    }
  });
});
