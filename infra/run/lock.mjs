// A lock between runs on one machine: a file that names its holder's process.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { checkInterrupted } from "./children.mjs";
import { setTimeout as sleep } from "node:timers/promises";

/** Runs `work` while holding the lock file. A holder that is gone is followed at once; a living one is waited for. */
export async function withLock(file, work) {
  mkdirSync(path.dirname(file), { recursive: true });
  while (!tryLock(file)) {
    checkInterrupted();
    await sleep(100);
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function tryLock(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  if (isAbandoned(file)) rmSync(file, { force: true });
  return false;
}

function isAbandoned(file) {
  try {
    const holder = Number(readFileSync(file, "utf8"));
    // An empty file belongs to a run that is just writing its number, or died doing so.
    return holder ? !isAlive(holder) : Date.now() - statSync(file).mtimeMs > 5000;
  } catch {
    return false; // released meanwhile
  }
}

/** Whether a process runs. A zombie does not: it only waits to be collected by its parent. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code === "EPERM";
  }
  try {
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true; // no /proc on this system
  }
}
