// A Redis of the project's own: found, started, shared between runs, stopped by the last one.
//
// Redis must outlive the gateway's shutdown, and a terminal's Ctrl-C goes to the whole process group: a Redis in the
// group would be gone before the last result is stored. So it runs under a keeper (redis-keeper.mjs) in a group of its
// own. Every run that uses it leaves its process id in `<dir>/users`; the keeper stops Redis when none of them lives
// any more, however they ended.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { spawn } from "node:child_process";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { findRedis } from "./find-redis.mjs";
import { freePort } from "./free-port.mjs";
import { isAlive, withLock } from "./lock.mjs";
import { isSame } from "./left-behind.mjs";
import { dataFolder, say, Trouble } from "./project.mjs";

const keeperFile = fileURLToPath(new URL("redis-keeper.mjs", import.meta.url));

/** The Redis whose data survives restarts: `redis` below the data folder. Returns what `useRedis` does. */
export function startRedis() {
  return useRedis(path.join(dataFolder, "redis"), { keepData: true });
}

/** An empty Redis in a temporary folder that goes away with its run. Returns { url, release }. */
export function startThrowAwayRedis() {
  return useRedis(mkdtempSync(path.join(os.tmpdir(), "sticky-redis-")), { keepData: false });
}

/**
 * Uses the Redis of a data folder, starting it when none runs there. Returns { url, isShared, serve, running, release }:
 * `isShared` when another run had started it, `serve(use)` says which keys a gateway of this run has ({ prefix, flags } of
 * key-prefix.mjs), `running()` is what living runs have said.
 */
export async function useRedis(dir, { keepData }) {
  const users = path.join(dir, "users");
  mkdirSync(users, { recursive: true });
  const me = path.join(users, String(process.pid));
  let use = "";
  const ensure = () =>
    withLock(path.join(dir, "lock"), async () => {
      writeFileSync(me, use);
      return (await runningServer(dir)) ?? (await startServer(dir));
    });
  let server = await ensure();
  const first = server;
  let checking = null;
  const look = async () => {
    try {
      const next = await ensure();
      const moved =
        next.port === server.port ? "" : ` It listens on port ${next.port} now: start this again.`;
      say(`Redis had lost its keeper; it is looked after again.${moved}`);
      server = next;
    } catch (error) {
      say(`Redis has ended and does not start: ${error.message}`);
    }
    checking = null;
  };
  const watch = setInterval(() => {
    if (!isAlive(server.keeper)) checking ??= look();
  }, 1000);
  watch.unref();
  return {
    ...first,
    serve(gateway) {
      use = JSON.stringify(gateway);
      writeFileSync(me, use);
    },
    running: () => livingUsers(users).flatMap((pid) => readUse(path.join(users, pid))),
    async release() {
      clearInterval(watch);
      await checking;
      rmSync(me, { force: true });
      if (othersUse(users)) return;
      while (isAlive(server.keeper)) await sleep(50);
      if (!keepData) rmSync(dir, { recursive: true, force: true });
    },
  };
}

function othersUse(users) {
  return livingUsers(users).length > 0;
}

function livingUsers(users) {
  return readdirSync(users).filter((pid) => isAlive(Number(pid)));
}

/** Of a run that serves nothing, or has just ended: []. */
function readUse(file) {
  try {
    return [JSON.parse(readFileSync(file, "utf8"))];
  } catch {
    return [];
  }
}

async function runningServer(dir) {
  const server = readState(dir);
  if (!server?.keeper || !isAlive(server.keeper)) return null;
  if (!(await answers(server.port, 2000)))
    throw new Trouble(`The Redis on port ${server.port} does not answer.`);
  return { ...server, isShared: true };
}

async function startServer(dir) {
  const redis = await findRedis();
  const orphan = orphanOf(dir);
  const port = orphan?.port ?? (await freePort(readState(dir)?.port));
  const keeper = spawn(
    process.execPath,
    [keeperFile, JSON.stringify({ dir, ...redis.command({ dir, port }), orphan })],
    { detached: true, stdio: "ignore" },
  );
  const server = { url: `redis://127.0.0.1:${port}`, port, keeper: keeper.pid };
  writeFileSync(path.join(dir, "server.json"), JSON.stringify(server));
  let ended = false;
  keeper.once("exit", () => (ended = true));
  // A container image may have to be fetched first; a large AOF takes a while to load.
  for (const began = Date.now(); !(await answers(port, 500)); await sleep(50)) {
    if (ended) throw new Trouble(`Redis did not start:\n${logTail(dir)}`);
    if (Date.now() - began > 180_000) throw new Trouble(`Redis does not answer:\n${logTail(dir)}`);
  }
  keeper.unref();
  return { ...server, isShared: false };
}

/** A Redis that runs on this folder although its keeper was killed; null: there is none. */
function orphanOf(dir) {
  const redis = readState(dir, "redis.json");
  const port = readState(dir)?.port;
  return redis !== null && port !== undefined && isSame(redis) ? { ...redis, port } : null;
}

function readState(dir, name = "server.json") {
  try {
    return JSON.parse(readFileSync(path.join(dir, name), "utf8"));
  } catch {
    return null; // first start
  }
}

function logTail(dir) {
  try {
    return readFileSync(path.join(dir, "redis.log"), "utf8").split("\n").slice(-15).join("\n");
  } catch {
    return "(no log)";
  }
}

/** Whether a Redis on this port answers PING, not merely accepts connections (it does while it loads its data). */
function answers(port, timeoutMs) {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once("error", () => end(false)).once("close", () => end(false));
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (data) => end(data.toString().startsWith("+PONG")));
  });
}
