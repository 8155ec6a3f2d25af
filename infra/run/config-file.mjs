// What the runner itself must know of a configuration file.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { inRoot } from "./project.mjs";

/** The file's `redis` section, {} when it has none; null: the file is not readable, which the command itself tells. */
export async function redisOf(file) {
  try {
    const { parse } = await import(pathToFileURL(inRoot("node_modules", "yaml", "dist", "index.js")).href);
    return parse(readFileSync(file, "utf8"))?.redis ?? {};
  } catch {
    return null;
  }
}
