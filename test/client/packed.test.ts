import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";

const run = promisify(execFile);
const root = path.join(import.meta.dirname, "../..");
const installed = "node_modules/@sticky-proxy/client";

/** Every distinct Node on this machine: the pinned one, and what PATH has beside it. */
async function nodes(): Promise<ReadonlyMap<string, string>> {
  const candidates = [process.execPath];
  for (const folder of (process.env["PATH"] ?? "").split(path.delimiter)) {
    const candidate = path.join(folder, "node");
    if (folder !== "" && existsSync(candidate)) candidates.push(candidate);
  }
  const found = new Map<string, string>();
  for (const candidate of candidates) {
    const { stdout } = await run(candidate, ["-p", "process.versions.node"]);
    if (!found.has(stdout.trim())) found.set(stdout.trim(), candidate);
  }
  return found;
}

describe("the packed client", function () {
  this.timeout(120_000);
  let project: string;
  let files: string[];

  before(async () => {
    project = await mkdtemp(path.join(tmpdir(), "sticky-client-"));
    const { packageManager } = JSON.parse(await readFile(path.join(root, "package.json"), "utf8"));
    const pack = ["-y", packageManager, "pack", "--pack-destination", project];
    await run("npx", pack, { cwd: path.join(root, "packages/client") });
    const tarball = (await readdir(project)).find((name) => name.endsWith(".tgz"))!;
    await writeFile(path.join(project, "package.json"), '{"name":"consumer","private":true,"type":"module"}');
    // Offline: whatever the package needed beyond itself would make this fail.
    const flags = ["--offline", "--no-audit", "--no-fund", "--ignore-scripts"];
    await run("npm", ["install", ...flags, `./${tarball}`], { cwd: project });
    await cp(path.join(import.meta.dirname, "consumer"), project, { recursive: true });
    files = await readdir(path.join(project, installed), { recursive: true });
  });
  after(() => rm(project, { recursive: true, force: true }));

  it("is the same package, whether pnpm or npm packs it, and the workspace's own manifest stands afterwards", async () => {
    const manifest = path.join(root, "packages/client/package.json");
    const before = await readFile(manifest, "utf8");
    const byNpm = path.join(project, "by-npm");
    await mkdir(byNpm);
    await run("npm", ["pack", "--pack-destination", byNpm], { cwd: path.dirname(manifest) });
    expect(await readFile(manifest, "utf8")).to.equal(before);
    const [tarball] = await readdir(byNpm);
    await run("tar", ["-xzf", tarball!], { cwd: byNpm });
    const packed = await readdir(path.join(byNpm, "package"), { recursive: true });
    expect(packed.toSorted()).to.deep.equal(files.toSorted());
    const exportsIn = async (folder: string): Promise<unknown> =>
      (JSON.parse(await readFile(path.join(folder, "package.json"), "utf8")) as { exports: unknown }).exports;
    expect(await exportsIn(path.join(byNpm, "package"))).to.deep.equal(
      await exportsIn(path.join(project, installed)),
    );
  });

  it("has no dependency and no source that only a workspace understands", async () => {
    const manifest = JSON.parse(await readFile(path.join(project, installed, "package.json"), "utf8"));
    expect(manifest).to.include({ name: "@sticky-proxy/client", type: "module", license: "MIT" });
    expect(manifest).not.to.have.any.keys(
      "dependencies",
      "peerDependencies",
      "optionalDependencies",
      "private",
    );
    expect(await readdir(path.join(project, "node_modules"))).to.deep.equal([
      ".package-lock.json",
      "@sticky-proxy",
    ]);
    expect(files).to.include.members([
      "LICENSE",
      "README.md",
      "dist/index.js",
      "dist/index.d.ts",
      "dist/receiver.js",
    ]);
    expect(files.filter((name) => /(?<!\.d)\.ts$|test|fake-/.test(name))).to.deep.equal([]);
    for (const name of files.filter((file) => /\.(?:js|d\.ts)$/.test(file))) {
      const text = await readFile(path.join(project, installed, name), "utf8");
      expect(text, name).not.to.match(/from "(?:@sticky-proxy|[^"]*\.ts")/);
    }
  });

  it("reaches nothing of Node from its main entry, which therefore runs in browsers", async () => {
    const reached = new Set<string>();
    const visit = async (file: string): Promise<void> => {
      if (reached.has(file)) return;
      reached.add(file);
      const text = await readFile(file, "utf8");
      for (const [, specifier] of text.matchAll(/from "([^"]+)"/g)) {
        expect(specifier, file).to.match(/^\.\.?\//);
        await visit(path.join(path.dirname(file), specifier!));
      }
    };
    await visit(path.join(project, installed, "dist/index.js"));
    expect(reached.size).to.be.greaterThan(5);
  });

  it("works on every Node of this machine", async () => {
    const found = await nodes();
    for (const [version, node] of found) {
      const { stdout } = await run(node, ["use.mjs"], { cwd: project });
      expect(JSON.parse(stdout), version).to.deep.equal({
        node: version,
        sameKey: true,
        timedOut: true,
        oneClass: true,
        status: "completed",
        result: [201, { url: "/r/1" }],
      });
    }
    expect([...found.keys()]).to.include(process.versions.node);
  });

  it("has types for Node and for browsers", async () => {
    await mkdir(path.join(project, "node_modules/@types"));
    await symlink(
      path.join(root, "node_modules/@types/node"),
      path.join(project, "node_modules/@types/node"),
    );
    const common = { strict: true, noEmit: true, exactOptionalPropertyTypes: true, target: "es2022" };
    const settings = {
      node: { ...common, module: "nodenext", lib: ["es2022"], types: ["node"] },
      browser: {
        ...common,
        module: "esnext",
        moduleResolution: "bundler",
        lib: ["es2022", "dom", "dom.iterable"],
        types: [],
      },
    };
    for (const [name, compilerOptions] of Object.entries(settings)) {
      const config = path.join(project, `tsconfig.${name}.json`);
      await writeFile(config, JSON.stringify({ compilerOptions, files: [`${name}.ts`] }));
      const tsc = path.join(root, "node_modules/typescript/bin/tsc");
      const { stdout } = await run(process.execPath, [tsc, "-p", config], { cwd: project }).catch(
        (error: { stdout: string }) => error,
      );
      expect(stdout, name).to.equal("");
    }
  });
});
