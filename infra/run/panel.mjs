// The admin panel's assets: built by the install, and again when their sources have changed.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "./children.mjs";
import { withLock } from "./lock.mjs";
import { inRoot, say, Trouble } from "./project.mjs";

const folder = inRoot("services", "admin", "panel");
const stamp = inRoot(".cache", "panel.stamp");
const vite = inRoot("services", "admin", "node_modules", ".bin", "vite");

/** Does nothing, in milliseconds, when what is built is of these sources. */
export async function ensurePanel({ node }) {
  if (!existsSync(vite)) return; // an image brings the assets with it
  const wanted = fingerprint();
  if (isBuilt(wanted)) return;
  await withLock(inRoot(".cache", "panel.lock"), async () => {
    if (!isBuilt(wanted)) await build(node, wanted); // else another run did it while we waited
  });
}

function isBuilt(wanted) {
  const index = path.join(folder, "dist", "index.html");
  return existsSync(index) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

async function build(node, wanted) {
  say("Building the admin panel (once for these sources) …");
  const script = inRoot("services", "admin", "node_modules", "vite", "bin", "vite.js");
  const args = [script, "build", "--config", path.join(folder, "vite.config.ts"), "--logLevel", "error"];
  const code = await run(node, args, { cwd: folder, stdio: ["ignore", 2, 2] });
  if (code !== 0) throw new Trouble(`Building the admin panel failed (exit ${code}).`);
  mkdirSync(path.dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

/** Names the sources by path and content. */
function fingerprint() {
  const hash = createHash("sha256").update(readFileSync(inRoot("services", "admin", "package.json")));
  for (const name of readdirSync(folder, { recursive: true }).toSorted()) {
    if (name.split(path.sep)[0] === "dist") continue;
    const file = path.join(folder, name);
    if (statSync(file).isFile()) hash.update(`\0${name}\0`).update(readFileSync(file));
  }
  return hash.digest("hex");
}
