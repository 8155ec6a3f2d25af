/**
 * Redis for tests: real servers only, since an imitation has no TIME, no AOF and no real Lua.
 *
 * Order: REDIS_URL (own key prefix per suite) → a local binary (STICKY_TEST_REDIS_SERVER, else redis-server or
 * valkey-server on PATH) → a container when an engine answers → an error that says what to install. Only
 * ALLOW_NO_REDIS=1 skips the suites, with a message. Killing, pausing and restarting need the local binary.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { accessSync, closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** A redis-server child process with its own data folder. */
export interface TestRedis {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  /** Process id of the running child; changes with `restart`. */
  readonly pid: number;
  /** Sends the signal; resolves when the child has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Starts again on the same port and data folder (AOF); ends a running child first. */
  restart(options?: { readonly args?: readonly string[] }): Promise<void>;
  /** Ends the child and removes the folder. */
  stop(): Promise<void>;
}

const install =
  "No Redis for tests: set REDIS_URL, put redis-server (7.0 or later) or valkey-server on PATH " +
  "(Debian: apt-get install redis-server; macOS: brew install redis), name one in STICKY_TEST_REDIS_SERVER, " +
  "or start a container engine. ALLOW_NO_REDIS=1 leaves these tests out.";

/** Settings that satisfy the `standard` profile; a test overrides them in `args`. */
const standard = [
  ["--appendonly", "yes"],
  ["--appendfsync", "always"],
  ["--no-appendfsync-on-rewrite", "no"],
  ["--save", ""],
  ["--maxmemory", "512mb"],
  ["--maxmemory-policy", "noeviction"],
  ["--enable-debug-command", "local"],
].flat();

/** Path of the local server binary, or null. */
export function localRedisServer(): string | null {
  const named = process.env["STICKY_TEST_REDIS_SERVER"];
  if (named !== undefined && named !== "") return named;
  for (const name of ["redis-server", "valkey-server"]) {
    for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        continue;
      }
    }
  }
  return null;
}

/**
 * A suite that needs Redis. `needs: "server"` for tests that kill, pause or configure it (local binary).
 * Without one it still runs, and fails saying what to install, unless ALLOW_NO_REDIS=1.
 */
export function describeWithRedis(title: string, suite: (this: Mocha.Suite) => void): void {
  const isFound = localRedisServer() !== null || (process.env["REDIS_URL"] ?? "") !== "";
  if (!isFound && process.env["ALLOW_NO_REDIS"] === "1") {
    process.stderr.write(`ALLOW_NO_REDIS=1: left out: ${title}\n`);
    return;
  }
  describe(title, suite);
}

/** Starts a private server; `args` are appended to settings that satisfy profile `standard`. */
export async function startRedis(options: { readonly args?: readonly string[] } = {}): Promise<TestRedis> {
  const binary = localRedisServer();
  if (binary === null) throw new Error(install);
  const dir = mkdtempSync(join(tmpdir(), "sticky-redis-"));
  let args = options.args ?? [];
  let port = await freePort();
  let child = await launch(binary, dir, port, args).catch(async () => {
    port = await freePort(); // another process took the port meanwhile
    return launch(binary, dir, port, args);
  });

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.ref(); // from here on the test waits for it
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  };
  return {
    port,
    dir,
    url: `redis://127.0.0.1:${port}`,
    get pid() {
      return child.pid!;
    },
    kill: (signal = "SIGKILL") => end(signal),
    pause: () => void child.kill("SIGSTOP"),
    resume: () => void child.kill("SIGCONT"),
    async restart(changed = {}) {
      await end("SIGTERM");
      args = changed.args ?? args;
      child = await launch(binary, dir, port, args);
    },
    async stop() {
      await end("SIGKILL");
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

let shared: Promise<string> | null = null;

/** One server for all tests of this run that only need commands; use it with `uniquePrefix()`. */
export function sharedRedisUrl(): Promise<string> {
  shared ??= findShared();
  return shared;
}

/** A key prefix that no other test uses. */
export function uniquePrefix(): string {
  return `t${randomBytes(6).toString("hex")}:`;
}

async function findShared(): Promise<string> {
  const url = process.env["REDIS_URL"] ?? "";
  if (url !== "") return url;
  if (localRedisServer() === null) return startContainer();
  const server = await startRedis({ args: ["--appendfsync", "everysec"] });
  process.once("exit", () => {
    process.kill(server.pid, "SIGKILL");
    rmSync(server.dir, { recursive: true, force: true });
  });
  return server.url;
}

async function startContainer(): Promise<string> {
  const { GenericContainer, getContainerRuntimeClient } = await import("testcontainers");
  await getContainerRuntimeClient().catch((cause: unknown) => {
    throw new Error(install, { cause });
  });
  const container = await new GenericContainer("redis:7.4-alpine")
    .withCommand(["redis-server", ...standard.map((arg) => (arg === "" ? '""' : arg))])
    .withExposedPorts(6379)
    .start(); // its reaper removes the container when this process ends
  return `redis://${container.getHost()}:${container.getMappedPort(6379)}`;
}

async function launch(
  binary: string,
  dir: string,
  port: number,
  args: readonly string[],
): Promise<ChildProcess> {
  const log = join(dir, "redis.log");
  const out = openSync(log, "a");
  const child = spawn(
    binary,
    ["--port", String(port), "--bind", "127.0.0.1", "--dir", dir, ...standard, ...args],
    { stdio: ["ignore", out, out] },
  );
  closeSync(out);
  child.unref(); // the container must not keep the test run alive
  let hasFailed = false;
  child.once("error", () => (hasFailed = true));
  for (let waited = 0; ; waited += 20) {
    if (await answers(port)) return child;
    if (hasFailed || child.exitCode !== null || waited > 10_000) {
      child.kill("SIGKILL");
      throw new Error(`${binary} did not start on port ${port}:\n${readFileSync(log, "utf8").slice(-2000)}`);
    }
    await delay(20);
  }
}

/** true: the server answers PING, so it has loaded its AOF. */
async function answers(port: number): Promise<boolean> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => {});
  try {
    socket.write("PING\r\n");
    const [reply] = (await once(socket, "data", { signal: AbortSignal.timeout(500) })) as [Buffer];
    return reply.toString("latin1").startsWith("+PONG");
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Low enough that a cluster's bus port, 10,000 above, exists as well. */
async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port <= 55_535 ? address.port : freePort();
}
