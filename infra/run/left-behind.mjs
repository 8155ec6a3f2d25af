// Runs of npm start on one data folder: each keeps a file that names its children, so that the next one finds what a
// run left behind that was killed, and so that runs side by side have files of their own.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { isAlive } from "./lock.mjs";
import { dataFolder, say } from "./project.mjs";

const folder = path.join(dataFolder, "runs");
/** For an orphan to end in order; its Redis may be gone already. */
const graceMs = 5000;

/** When a process began, in the system's own words: a number alone may be another process by now. null: it is gone. */
export function bornAt(pid) {
  if (!isAlive(pid)) return null;
  try {
    // Field 22, counted behind the name, which may hold anything.
    return readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\)/s, "").split(" ")[20] ?? null;
  } catch {
    return spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).stdout?.trim() || null;
  }
}

/** Whether the process that was written down still runs. */
export function isSame({ pid, born }) {
  return born !== null && bornAt(pid) === born;
}

/**
 * Stops what killed runs left behind, and writes this one down. `folder`: where its files go, the data folder itself
 * unless another run uses that.
 */
export async function enterRun() {
  mkdirSync(folder, { recursive: true });
  const others = [];
  for (const name of readdirSync(folder)) {
    const run = read(path.join(folder, name));
    if (run !== null && isSame(run)) others.push(run);
    else {
      await stopAll(run?.children ?? []);
      rmSync(path.join(folder, name), { force: true });
    }
  }
  for (const name of readdirSync(dataFolder)) {
    const [, pid] = /^run-(\d+)$/.exec(name) ?? [];
    if (pid !== undefined && !isAlive(Number(pid)))
      rmSync(path.join(dataFolder, name), { recursive: true, force: true });
  }
  const isAlone = others.every((run) => run.folder !== dataFolder);
  const file = path.join(folder, `${process.pid}.json`);
  const own = isAlone ? dataFolder : path.join(dataFolder, `run-${process.pid}`);
  mkdirSync(own, { recursive: true });
  const run = { pid: process.pid, born: bornAt(process.pid), folder: own, children: [] };
  const write = () => writeFileSync(file, JSON.stringify(run));
  write();
  return {
    folder: own,
    began(name, pid) {
      run.children.push({ name, pid, born: bornAt(pid) });
      write();
    },
    leave: () => rmSync(file, { force: true }),
  };
}

function read(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return null; // cut off while it was written
  }
}

async function stopAll(children) {
  const orphans = children.filter(isSame);
  if (orphans.length === 0) return;
  const names = orphans.map(({ name, pid }) => `${name} (${pid})`).join(", ");
  say(`An earlier npm start was killed. Stopping what it left behind: ${names} …`);
  for (const { pid } of orphans) send(pid, "SIGINT");
  for (const began = Date.now(); orphans.some(isSame) && Date.now() - began < graceMs;) await sleep(50);
  for (const orphan of orphans) if (isSame(orphan)) send(orphan.pid, "SIGKILL");
  while (orphans.some(isSame)) await sleep(50);
}

function send(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended meanwhile
  }
}
