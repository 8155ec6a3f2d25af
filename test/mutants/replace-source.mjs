// Loaded first in the process that tries mutants and in the worker threads of its tests: a mutant's text is read in place
// of its file, by the module loader and by readFileSync (Lua scripts). Nothing on disk changes.
//
// One process tries many mutants. Every trial has a number; the tests, and every module from which the changed file can be
// reached, are loaded anew under `?trial=<number>`, all others once.
import fs from "node:fs";
import { registerHooks, stripTypeScriptTypes, syncBuiltinESMExports } from "node:module";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";

const { readFileSync } = fs;
/** Who imports it, by the URL without a trial; of the project's own files. */
const importers = new Map();
const stripped = new Map();
let current = null;

// A thread of a test is told by the environment: its modules are its own, so nothing has to be loaded anew.
if (process.env.STICKY_MUTANT_FILE !== undefined) {
  const url = pathToFileURL(process.env.STICKY_MUTANT_FILE).href;
  current = { url, text: process.env.STICKY_MUTANT_TEXT, number: null, anew: new Set([url]) };
}

/** @param file absolute; null: nothing is changed, and who imports whom is learnt. @returns the suffix of its modules */
export function startTrial(number, file, text) {
  const url = file === null ? null : pathToFileURL(file).href;
  // Nobody imports a Lua script: whoever reads it is among all.
  current = { url, text, number, anew: url?.endsWith(".ts") ? reaching(url) : null };
  if (file === null) {
    delete process.env.STICKY_MUTANT_FILE;
    delete process.env.STICKY_MUTANT_TEXT;
  } else Object.assign(process.env, { STICKY_MUTANT_FILE: file, STICKY_MUTANT_TEXT: text });
  return `?trial=${number}`;
}

/** The file and all that import it, directly or not. */
function reaching(url) {
  const found = new Set([url]);
  for (const each of found) for (const importer of importers.get(each) ?? []) found.add(importer);
  return found;
}

const plain = (url) => url.replace(/\?trial=\d+$/, "");
const isOwn = (url) => url.startsWith("file:") && url.endsWith(".ts") && !url.includes("/node_modules/");

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    if (current?.number == null || !isOwn(found.url)) return found;
    if (context.parentURL !== undefined) {
      const known = importers.get(found.url) ?? new Set();
      importers.set(found.url, known.add(plain(context.parentURL)));
    }
    const isAnew = current.anew === null || current.anew.has(found.url);
    return isAnew ? { ...found, url: `${found.url}?trial=${current.number}` } : found;
  },
  load(asked, context, next) {
    const url = plain(asked);
    if (url === current?.url) return typescript(stripTypeScriptTypes(current.text));
    if (!asked.includes("?trial=")) return next(asked, context);
    if (!stripped.has(url)) stripped.set(url, stripTypeScriptTypes(readFileSync(fileURLToPath(url), "utf8")));
    return typescript(stripped.get(url));
  },
});

const typescript = (source) => ({ format: "module", source, shortCircuit: true });

fs.readFileSync = function (path, ...rest) {
  const isIt =
    current?.url != null && (String(path) === current.url || String(path) === fileURLToPath(current.url));
  return isIt ? current.text : readFileSync(path, ...rest);
};
syncBuiltinESMExports();
