/**
 * The workspace imports this package's sources, users import the compiled files. pnpm copies publishConfig's
 * exports into the tarball, npm does not: so the manifest names the compiled files while packing, and the sources
 * otherwise. `node manifest.mjs packed|workspace`
 */

import { readFileSync, writeFileSync } from "node:fs";
import { argv } from "node:process";

const file = new URL("package.json", import.meta.url);
const manifest = JSON.parse(readFileSync(file, "utf8"));
const compiled = manifest.publishConfig.exports;

/** "./dist/index.js" was compiled from "./src/index.ts". */
function sourceOf({ default: path }) {
  return path.replace(/^\.\/dist\/(.+)\.js$/, "./src/$1.ts");
}

const sources = Object.fromEntries(
  Object.entries(compiled).map(([entry, target]) => [entry, sourceOf(target)]),
);
manifest.exports = argv[2] === "packed" ? compiled : sources;
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
