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

/** What the system refused as a sentence; null: the error is not of that kind, and is a fault of the project's. */
export function ofSystem(error) {
  const { code, path: file = "a file" } = error ?? {};
  const why = {
    EACCES: "this user may not",
    EPERM: "this user may not",
    EROFS: "the file system is read-only",
    ENOSPC: "the disk is full",
    EDQUOT: "the disk quota is used up",
    EMFILE: "too many files are open",
    ENOTDIR: "a part of its path is no folder",
    EEXIST: "something else has its name",
    EISDIR: "it is a folder",
  }[code];
  if (why === undefined || typeof error.path !== "string") return null;
  const cure =
    file.startsWith(dataFolder) || file.startsWith(root)
      ? `\nA folder of your own for data: STICKY_PROXY_DATA=… npm start`
      : "";
  return new Trouble(`${file} cannot be read or written: ${why} (${code}).${cure}`);
}
