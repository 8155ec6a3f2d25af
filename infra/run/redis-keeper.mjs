// Runs one Redis as its child while any of its users lives, then stops it. Started by redis.mjs in a group of its own.
import { spawn } from "node:child_process";
import { openSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { isAlive, withLock } from "./lock.mjs";

const { dir, file, args, env } = JSON.parse(process.argv[2]);
const users = path.join(dir, "users");
const log = openSync(path.join(dir, "redis.log"), "w");
const redis = spawn(file, args, { cwd: dir, stdio: ["ignore", log, log], env: { ...process.env, ...env } });
redis.once("error", () => process.exit(127));
redis.once("exit", (code) => process.exit(code ?? 1));

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => redis.kill("SIGTERM"));

setInterval(() => {
  if (isUsed() || redis.killed) return;
  // Under the lock: a run that is just starting either registers before, or waits until Redis is gone.
  void withLock(path.join(dir, "lock"), async () => {
    if (isUsed() || redis.killed) return;
    redis.kill("SIGTERM");
    await new Promise((resolve) => redis.once("exit", resolve));
  });
}, 200);

function isUsed() {
  return readdirSync(users).some((pid) => {
    if (isAlive(Number(pid))) return true;
    rmSync(path.join(users, pid), { force: true });
    return false;
  });
}
