/**
 * A cluster of real processes: one Redis, n proxies, sweepers, and on wish a balancer in front, the topology of
 * docker-compose.yml without Docker. Everything listens on ports of its own choice on loopback.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { stringify } from "yaml";
import { startBalancer, type Balancer } from "./balancer.ts";
import { freePorts } from "./ports.ts";

const cli = join(import.meta.dirname, "../../services/cli/src/cli.ts");

export interface Place {
  readonly port: number;
  readonly opsPort: number;
}

const anywhere: Place = { port: 0, opsPort: 0 };

export interface Node {
  readonly name: string;
  readonly place: Place;
  readonly role: "proxy" | "sweeper";
  /** Data plane; "" for a sweeper. */
  readonly url: string;
  readonly opsUrl: string;
  readonly child: ChildProcess;
  /** Everything it wrote on stdout (its log) so far. */
  log(): string;
  /** Sends the signal and resolves with the exit code (null when killed) once the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<number | null>;
}

export interface Cluster {
  readonly redis: TestRedis;
  readonly proxies: Node[];
  readonly sweepers: Node[];
  /** null unless asked for. */
  readonly balancer: Balancer | null;
  /** A proxy's address, round robin by `i`. */
  url(i?: number): string;
  /** Another replica, or one again at the place of a stopped one. */
  startProxy(place?: Place): Promise<Node>;
  startSweeper(): Promise<Node>;
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** `services` and whatever else sticky.yaml holds. */
  readonly config: Record<string, unknown>;
  readonly proxies?: number;
  readonly sweepers?: number;
  readonly balancer?: boolean;
  readonly redisArgs?: readonly string[];
  /** Where the nodes are told to find Redis, when something of the test's stands in between. */
  readonly redisUrl?: (redis: TestRedis) => Promise<string>;
}

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const redis = await startRedis({ args: options.redisArgs ?? [] });
  const dir = mkdtempSync(join(tmpdir(), "sticky-cluster-"));
  const count = options.proxies ?? 3;
  const free = await freePorts(2 * count);
  const places = Array.from({ length: count }, (_, i) => ({ port: free[2 * i]!, opsPort: free[2 * i + 1]! }));
  const balancer = options.balancer === true ? await startBalancer(places) : null;
  const file = join(dir, "sticky.yaml");
  writeFileSync(
    file,
    stringify(
      {
        publicUrl: balancer?.url ?? `http://127.0.0.1:${places[0]?.port}`,
        redis: { url: (await options.redisUrl?.(redis)) ?? redis.url },
        shutdown: { drainDelayMs: 0 },
        ...options.config,
      },
      { aliasDuplicateObjects: false },
    ),
  );

  const nodes: Node[] = [];
  let names = 0;
  async function start(role: "proxy" | "sweeper", place: Place): Promise<Node> {
    const node = await startNode(role, file, place, `${role}-${(names += 1)}`);
    nodes.push(node);
    return node;
  }
  const cluster: Cluster = {
    redis,
    proxies: [],
    sweepers: [],
    balancer,
    url: (i = 0) => cluster.proxies[i % cluster.proxies.length]!.url,
    async startProxy(place = anywhere) {
      const node = await start("proxy", place);
      cluster.proxies.push(node);
      return node;
    },
    async startSweeper() {
      const node = await start("sweeper", anywhere);
      cluster.sweepers.push(node);
      return node;
    },
    async stop() {
      await Promise.all(nodes.map((node) => node.kill("SIGKILL")));
      await balancer?.stop();
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    cluster.proxies.push(...(await Promise.all(places.map((place) => start("proxy", place)))));
    for (let i = 0; i < (options.sweepers ?? 1); i += 1) await cluster.startSweeper();
    if (balancer !== null) await balancer.untilServing("/_sticky/problems");
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

async function startNode(role: "proxy" | "sweeper", file: string, place: Place, name: string): Promise<Node> {
  const child = spawn(
    process.execPath,
    [cli, "serve", role, "--config", file, "--port", String(place.port), "--ops-port", String(place.opsPort)],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, STICKY_NODE: name, REDIS_URL: undefined } },
  );
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
  const ready = new Promise<RegExpExecArray>((resolve, reject) => {
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk.toString();
      const match = /(?:listening on (\S+)|running) \(ops (\S+),/.exec(err);
      if (match !== null) resolve(match);
    });
    child.once("exit", (code) => reject(new Error(`${name} ended with ${code}:\n${err}${out.slice(-4000)}`)));
    child.once("error", reject);
  });
  const match = await ready;
  return {
    name,
    role,
    place: { port: Number(new URL(match[1] ?? match[2]!).port), opsPort: Number(new URL(match[2]!).port) },
    url: match[1] ?? "",
    opsUrl: match[2]!,
    child,
    log: () => out,
    async kill(signal = "SIGTERM") {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const ended = once(child, "exit");
      child.kill(signal);
      await ended;
      return child.exitCode;
    },
  };
}
