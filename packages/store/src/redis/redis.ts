/**
 * Connections to Redis, with the settings that keep a write from running twice behind our back.
 * Three of them: `writes` (claims and commits), `reads`, `subscriber`.
 *
 * Why these settings: by default the client re-sends what was in flight when a connection broke, so one call could
 * run twice; here an unanswered command fails, and the caller decides with what the record says. A connection that
 * is dead without saying so is found by its pulse, and each new one is asked which server it reaches.
 */
import { asEpochMs, type EpochMs } from "@sticky-proxy/protocol";
import { once } from "node:events";
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from "ioredis";
import { createOneServer, PrimaryConnection, type OneServer } from "./one-server.ts";
import { keepPulse } from "./pulse.ts";

/** Where Redis is: exactly one of the three. */
export interface RedisTarget {
  /** redis://, rediss://, unix:///path or /path; a database number may end a TCP URL. */
  readonly url?: string;
  readonly sentinels?: {
    /** Name of the master group. */
    readonly name: string;
    /** "host:port" each. */
    readonly nodes: readonly string[];
    readonly username?: string;
    readonly password?: string;
    readonly sentinelPassword?: string;
    readonly db?: number;
    readonly tls?: boolean;
  };
  readonly cluster?: {
    /** "host:port" each; any of them tells the rest. */
    readonly nodes: readonly string[];
    readonly username?: string;
    readonly password?: string;
    readonly tls?: boolean;
  };
}

/** For messages: where that is, without user and password. */
export function placeOf({ url, sentinels, cluster }: RedisTarget): string {
  if (sentinels !== undefined) return `${sentinels.name} of ${sentinels.nodes.join(", ")}`;
  if (cluster !== undefined) return cluster.nodes.join(", ");
  if (url === undefined) return "nowhere";
  if (!URL.canParse(url)) return url.slice(url.lastIndexOf("@") + 1);
  const { host, pathname } = new URL(url);
  return host === "" ? pathname : `${host}${/:\d+$/.test(host) ? "" : ":6379"}`;
}

export type Connection = Redis | Cluster;
export type ConnectionName = "writes" | "reads" | "subscriber";

export interface RedisConnections {
  readonly writes: Connection;
  readonly reads: Connection;
  readonly subscriber: Connection;
  readonly isCluster: boolean;
  /** Another server may become the primary behind the same name. */
  readonly failsOver: boolean;
  readonly commandTimeoutMs: number;
  /** For further connections to the same server. */
  readonly oneServer: OneServer;
  /** true when all three are ready; false after `timeoutMs`. */
  ready(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

export interface ConnectOptions {
  /** Default 1000: after it a command's fate is unknown. */
  readonly commandTimeoutMs?: number;
  /** Told about every connection error; reconnecting goes on by itself. */
  readonly onError?: (name: ConnectionName, error: Error) => void;
}

/** Opens the connections in the background; Redis may be away. @throws TypeError when the target names not one place. */
export function connectRedis(target: RedisTarget, options: ConnectOptions = {}): RedisConnections {
  const commandTimeoutMs = options.commandTimeoutMs ?? 1000;
  const oneServer = createOneServer();
  const open = (name: ConnectionName): Connection => {
    const connection = openConnection(target, name, commandTimeoutMs, oneServer);
    connection.setMaxListeners(0); // each store on it listens for its returns
    connection.on("error", (error: Error) => options.onError?.(name, error));
    connection.connect().catch(() => {}); // reported by the event; the client tries again
    return connection;
  };
  const connections = { writes: open("writes"), reads: open("reads"), subscriber: open("subscriber") };
  const all = Object.values(connections);
  return {
    ...connections,
    isCluster: target.cluster !== undefined,
    failsOver: target.cluster !== undefined || target.sentinels !== undefined,
    commandTimeoutMs,
    oneServer,
    async ready(timeoutMs) {
      const waits = await Promise.all(all.map((connection) => untilReady(connection, timeoutMs)));
      return waits.every(Boolean);
    },
    async close() {
      await Promise.all(all.map(closeConnection));
    },
  };
}

/** true as soon as the connection takes commands, false when it did not within `timeoutMs`. */
export async function untilReady(connection: Connection, timeoutMs: number): Promise<boolean> {
  const limit = AbortSignal.timeout(timeoutMs);
  if (!(await untilUp(connection, limit))) return false;
  if (!(connection instanceof Cluster)) return true;
  const nodes = await Promise.all(connection.nodes("master").map((node) => untilUp(node, limit)));
  return nodes.every(Boolean);
}

async function untilUp(connection: Connection, limit: AbortSignal): Promise<boolean> {
  // A destroyed socket leaves the status as it is until its close event.
  const isUp = connection.status === "ready" && !(connection instanceof Redis && connection.stream.destroyed);
  if (isUp) return true;
  if (limit.aborted) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const onReady = (): void => resolve(true);
  const onLimit = (): void => resolve(false);
  connection.once("ready", onReady);
  limit.addEventListener("abort", onLimit, { once: true });
  try {
    return await promise;
  } finally {
    connection.off("ready", onReady);
    limit.removeEventListener("abort", onLimit);
  }
}

/**
 * One connection of its own, for WAIT, locks or a blocking read; the caller ends it with `closeConnection`. It is kept
 * on the server of the others that share `oneServer`.
 */
export function openConnection(
  target: RedisTarget,
  name: ConnectionName,
  commandTimeoutMs: number,
  oneServer: OneServer = createOneServer(),
): Connection {
  const connection = createConnection(target, name, commandTimeoutMs, oneServer);
  keepPulse(connection, Math.max(commandTimeoutMs, leastSilenceMs), (node, ms) =>
    node.emit("error", new Error(`no byte from Redis for ${Math.round(ms)} ms: connecting anew`)),
  );
  return connection;
}

/** A server that is only busy is not left at once. */
const leastSilenceMs = 1000;

function createConnection(
  target: RedisTarget,
  name: ConnectionName,
  commandTimeoutMs: number,
  oneServer: OneServer,
): Connection {
  const common = connectionOptions(commandTimeoutMs);
  const places = [target.url, target.sentinels, target.cluster].filter((place) => place !== undefined);
  if (places.length !== 1) throw new TypeError("redis: name exactly one of url, sentinels, cluster");
  if (target.cluster !== undefined) {
    const { nodes, username, password, tls } = target.cluster;
    const cluster: ClusterOptions = {
      retryDelayOnFailover: 0, // anything else re-sends after a lost connection
      enableOfflineQueue: false,
      clusterRetryStrategy: reconnectDelay,
      shardedSubscribers: name === "subscriber",
      enableAutoPipelining: name === "reads",
      lazyConnect: true,
      redisOptions: {
        ...withoutKeys(common, ["retryStrategy", "enableOfflineQueue"]),
        ...credentials(username, password, tls),
      },
    };
    const connection = new Cluster(nodes.map(hostAndPort), cluster);
    // A node otherwise connects at its first command, and refuses those that come meanwhile.
    connection.on("+node", (node: Redis) => {
      if (node.status === "wait") node.connect().catch(() => {});
    });
    return connection;
  }
  const single: RedisOptions = common;
  if (target.sentinels !== undefined) {
    const { name: group, nodes, username, password, sentinelPassword, db, tls } = target.sentinels;
    const options: RedisOptions = {
      ...single,
      ...credentials(username, password, tls),
      ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
      ...(db === undefined ? {} : { db }),
      name: group,
      sentinels: nodes.map(hostAndPort),
      failoverDetector: true,
    };
    return new PrimaryConnection(null, options, oneServer);
  }
  return new PrimaryConnection(target.url!.replace(/^unix:\/\//, ""), single, oneServer);
}

/** Says goodbye when the server answers, else just leaves. */
export async function closeConnection(connection: Connection): Promise<void> {
  if (connection.status !== "ready") return connection.disconnect();
  const ended = once(connection, "end");
  try {
    await connection.quit();
    await ended;
  } catch {
    // it does not answer: leave all the same
  } finally {
    connection.disconnect(); // also ends the watch over Sentinel, which QUIT leaves running
  }
}

/** The server's clock, epoch ms. */
export async function serverTime(connection: Connection): Promise<EpochMs> {
  const [seconds, micros] = (await connection.time()) as unknown as [string, string]; // the types say numbers
  return asEpochMs(Number(seconds) * 1000 + Math.floor(Number(micros) / 1000));
}

/** false: the command certainly did nothing, since the server refused it or it was never sent. */
export function mayHaveRun(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  if (error.name === "ReplyError") return false;
  return !wasNeverSent(error);
}

/** The connection was not up when the command came. */
export function wasNeverSent(error: unknown): boolean {
  return error instanceof Error && error.message.includes("enableOfflineQueue options is false");
}

/** Every server that owns keys. */
export function mastersOf(connection: Connection): readonly Redis[] {
  return connection instanceof Cluster ? connection.nodes("master") : [connection];
}

/** Drops the socket at once, so that no reply under way is read; the client connects again by itself. */
export function destroyConnection(connection: Connection): void {
  const nodes = connection instanceof Cluster ? connection.nodes("all") : [connection];
  for (const node of nodes) node.stream?.destroy();
}

/** The settings shared by every connection; times in ms. */
export function connectionOptions(commandTimeoutMs: number): RedisOptions {
  return {
    autoResendUnfulfilledCommands: false,
    commandTimeout: commandTimeoutMs,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableReadyCheck: true,
    maxLoadingRetryTime: 1000, // a server that loads its data says when it may be done; asked again sooner
    connectTimeout: 500,
    keepAlive: 10_000,
    retryStrategy: reconnectDelay,
    reconnectOnError: (error) => error.message.startsWith("READONLY"), // true: reconnect; 2 would send it again
    lazyConnect: true,
    disableClientInfo: true,
  };
}

/** ms before the nth attempt; jitter keeps replicas from returning in step. */
function reconnectDelay(attempt: number): number {
  return Math.min(50 * attempt, 250) + Math.random() * 50;
}

function credentials(
  username: string | undefined,
  password: string | undefined,
  tls: boolean | undefined,
): RedisOptions {
  return {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(tls === true ? { tls: {} } : {}),
  };
}

/** User, password and TLS for the other servers of the same deployment. */
export function peerCredentials({ url, sentinels, cluster }: RedisTarget): RedisOptions {
  const group = sentinels ?? cluster;
  if (group !== undefined) return credentials(group.username, group.password, group.tls);
  if (url === undefined || !URL.canParse(url)) return {};
  const { username, password, protocol } = new URL(url);
  const said = (text: string): string | undefined => (text === "" ? undefined : decodeURIComponent(text));
  return credentials(said(username), said(password), protocol === "rediss:");
}

export function hostAndPort(node: string): { host: string; port: number } {
  const at = node.lastIndexOf(":");
  const port = Number(node.slice(at + 1));
  if (at < 1 || !Number.isInteger(port)) throw new TypeError(`redis: "${node}" is not host:port`);
  return { host: node.slice(0, at).replace(/^\[|\]$/g, ""), port };
}

function withoutKeys<T extends object, K extends keyof T>(value: T, keys: readonly K[]): Omit<T, K> {
  const copy = { ...value };
  for (const key of keys) delete copy[key];
  return copy;
}
