// Where things lie, and how the runner speaks.
import { fileURLToPath } from "node:url";
import path from "node:path";
import process from "node:process";

/** The project's root folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** Joins parts below the project's root. */
export const inRoot = (...parts) => path.join(root, ...parts);

/** Where a run keeps what survives it: `.data`, or the folder that STICKY_PROXY_DATA names. */
export const dataFolder = path.resolve(process.env.STICKY_PROXY_DATA || inRoot(".data"));

/** Where the caller of an npm script stands: npm goes to the project first, but a path that was typed is meant from there. */
export function callersFolder(script) {
  const { npm_lifecycle_event: running, INIT_CWD } = process.env;
  return running === script && INIT_CWD ? INIT_CWD : process.cwd();
}

/** Progress goes to stderr: stdout belongs to the command that was asked for. */
export function say(line = "") {
  process.stderr.write(`${line}\n`);
}

/** An expected failure: its message is written for the person at the terminal, without a stack. */
export class Trouble extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
