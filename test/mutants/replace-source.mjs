// Loaded before mocha in the process that tries one mutant: the file named by STICKY_MUTANT_FILE is read as the text in
// STICKY_MUTANT_TEXT's file, by the module loader and by readFileSync (Lua scripts). Nothing on disk changes.
import fs from "node:fs";
import { registerHooks, syncBuiltinESMExports } from "node:module";
import process from "node:process";
import { pathToFileURL } from "node:url";

const file = process.env.STICKY_MUTANT_FILE;
const text = fs.readFileSync(process.env.STICKY_MUTANT_TEXT, "utf8");
const url = pathToFileURL(file).href;

registerHooks({
  load(asked, context, next) {
    return asked === url
      ? { format: "module-typescript", source: text, shortCircuit: true }
      : next(asked, context);
  },
});

const { readFileSync } = fs;
fs.readFileSync = function (path, ...rest) {
  return String(path) === file || String(path) === url ? text : readFileSync(path, ...rest);
};
syncBuiltinESMExports();
