// Which Node runs the project's TypeScript: the running one when it is new enough, else the one from the lockfile.
import { existsSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { inRoot, Trouble } from "./project.mjs";

const needed = 24;

/** The Node executable to use; call it after the install. */
export function pickNode() {
  if (Number(process.versions.node.split(".")[0]) >= needed) return process.execPath;
  const pinned = inRoot("node_modules", `node-${process.platform}-${process.arch}`, "bin", "node");
  if (existsSync(pinned)) return pinned;
  throw new Trouble(
    `Node ${process.versions.node} is too old and no pinned Node comes with ${process.platform}-${process.arch}: ` +
      `install Node ${needed} or newer.`,
  );
}

/**
 * The environment for children: the picked Node and the project's tools come first on PATH, and what Node has compiled
 * once (types taken out, bytecode) is kept below node_modules, where only this user writes.
 */
export function childEnv(node, extra = {}) {
  const PATH = [path.dirname(node), inRoot("node_modules", ".bin"), process.env.PATH].join(path.delimiter);
  const NODE_COMPILE_CACHE = process.env.NODE_COMPILE_CACHE ?? inRoot("node_modules", ".cache", "node");
  return { ...process.env, PATH, NODE_COMPILE_CACHE, ...extra };
}
