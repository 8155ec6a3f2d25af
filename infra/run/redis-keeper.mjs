// Runs one Redis while any of its users lives, then stops it. Started by redis.mjs in a group of its own. A Redis that
// ends unasked is started again; one whose keeper was killed is taken over, since two must never share a data folder.
import { spawn } from "node:child_process";
import { openSync, readdirSync, rmSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { bornAt, isSame } from "./left-behind.mjs";
import { isAlive, withLock } from "./lock.mjs";

const { dir, file, args, env, orphan } = JSON.parse(process.argv[2]);
const users = path.join(dir, "users");
const log = openSync(path.join(dir, "redis.log"), orphan ? "a" : "w");
/** A Redis that lives shorter than this so often in a row does not come up by being started again. */
const shortMs = 5000;
const maxShort = 3;

let redis = orphan ?? null;
let isStopping = false;
/** Resolves when no Redis runs any more. */
const ended = orphan ? adopt(orphan) : run();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => void stop());

setInterval(() => {
  if (isUsed() || isStopping) return;
  // Under the lock: a run that is just starting either registers before, or waits until Redis is gone.
  void withLock(path.join(dir, "lock"), async () => {
    if (!isUsed()) await stop();
  });
}, 200);

/** Starts it, and again whenever it ends unasked. */
async function run() {
  for (let short = 0; ;) {
    const began = Date.now();
    const { code, error } = await oneLife();
    if (isStopping) process.exit(0);
    if (error) process.exit(127);
    short = Date.now() - began < shortMs ? short + 1 : 0;
    if (short >= maxShort) process.exit(code ?? 1);
    writeSync(log, `Redis ended (${code ?? "killed"}) without being asked; it is started again.\n`);
    await sleep(200);
  }
}

function oneLife() {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: dir,
      stdio: ["ignore", log, log],
      env: { ...process.env, ...env },
    });
    child.once("error", (error) => resolve({ code: null, error }));
    child.once("exit", (code) => resolve({ code, error: null }));
    if (child.pid === undefined) return;
    redis = { pid: child.pid, born: bornAt(child.pid) };
    writeFileSync(path.join(dir, "redis.json"), JSON.stringify(redis));
    if (isStopping) send();
  });
}

/** Not our child: its end is seen by looking. */
async function adopt(other) {
  while (isSame(other)) await sleep(100);
  if (isStopping) process.exit(0);
  await run();
}

async function stop() {
  isStopping = true;
  send();
  await ended;
}

function send() {
  try {
    if (redis !== null && isSame(redis)) process.kill(redis.pid, "SIGTERM");
  } catch {
    // it has ended meanwhile
  }
}

function isUsed() {
  return readdirSync(users).some((pid) => {
    if (isAlive(Number(pid))) return true;
    rmSync(path.join(users, pid), { force: true });
    return false;
  });
}
