// Dependencies: installed by the pinned pnpm when the lockfile is not the one that was installed last.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { checkInterrupted, run } from "./children.mjs";
import { inRoot, say, Trouble } from "./project.mjs";
import { withLock } from "./lock.mjs";

const stamp = inRoot("node_modules", ".installed");

/** Installs what is missing. Does nothing, in milliseconds, when nothing is. */
export async function ensureInstalled() {
  if (isInstalled()) return;
  await withLock(inRoot(".cache", "install.lock"), async () => {
    if (isInstalled()) return; // another run did it while we waited
    await install();
    writeFileSync(stamp, fingerprint());
  });
}

async function install() {
  const pnpm = JSON.parse(readFileSync(inRoot("package.json"), "utf8")).packageManager;
  say(`Installing dependencies with ${pnpm} (once; later starts skip this) …`);
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  const beat = setInterval(() => say(`… still installing, ${seconds()} s`), 10_000);
  const code = await run(
    "npx",
    ["-y", pnpm, "install", "--frozen-lockfile", "--prefer-offline", "--reporter=append-only"],
    // Its output is progress, so it goes to our stderr; nothing may wait for an answer on stdin.
    { cwd: inRoot(), stdio: ["ignore", 2, 2], env: { ...process.env, CI: "true" } },
  );
  clearInterval(beat);
  checkInterrupted();
  if (code === 127) throw new Trouble("npx was not found: install Node.js 20 or newer with npm.");
  if (code !== 0) throw new Trouble(`Installing the dependencies failed (${pnpm}, exit ${code}).`);
  say(`Dependencies installed in ${seconds()} s.`);
}

function isInstalled() {
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== fingerprint()) return false;
  return workspaceFolders().every((folder) => existsSync(inRoot(folder, "node_modules")));
}

/** Names what an install was made from: lockfile, settings, manifests and kind of machine. */
function fingerprint() {
  const hash = createHash("sha256").update(`${process.platform}-${process.arch}`);
  const manifests = workspaceFolders().map((folder) => `${folder}/package.json`);
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml", "package.json", ...manifests]) {
    hash.update(`\0${file}\0`).update(dependencyText(file));
  }
  return hash.digest("hex");
}

/** A manifest counts by its dependencies only: a new script or description needs no install. */
function dependencyText(file) {
  const text = readFileSync(inRoot(file), "utf8");
  if (!file.endsWith("package.json")) return text;
  const { name, dependencies, devDependencies, optionalDependencies, packageManager } = JSON.parse(text);
  return JSON.stringify({ name, dependencies, devDependencies, optionalDependencies, packageManager });
}

/** Folders of the workspace that have dependencies of their own. */
function workspaceFolders() {
  return ["packages", "services"]
    .flatMap((parent) => readdirSync(inRoot(parent)).map((name) => `${parent}/${name}`))
    .filter((folder) => {
      if (!existsSync(inRoot(folder, "package.json"))) return false;
      const { dependencies, devDependencies } = JSON.parse(
        readFileSync(inRoot(folder, "package.json"), "utf8"),
      );
      return dependencies !== undefined || devDependencies !== undefined;
    })
    .sort();
}
