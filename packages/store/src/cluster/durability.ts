/**
 * The gate of the `ha` profiles: everything written before the call is on another server before it resolves.
 * It has its own connection, because WAIT blocks one; its own small write follows all earlier ones in the
 * replication stream, so waiting for that one covers them. Calls during a wait share the next.
 */
import type { Keys } from "../keys.ts";
import { closeConnection, openConnection, type RedisTarget } from "../redis/redis.ts";
import type { OneServer } from "../redis/one-server.ts";
import { unavailable } from "../redis/unavailable.ts";

export interface DurabilityGate {
  /** @throws StoreUnavailable when not enough replicas confirmed in time */
  confirm(): Promise<void>;
  close(): Promise<void>;
}

export interface DurabilityOptions {
  readonly target: RedisTarget;
  /** Server of the connections whose writes are confirmed: another server cannot confirm them. */
  readonly oneServer: OneServer;
  readonly keys: Keys;
  readonly replicas: number;
  /** Also on disk here and there (WAITAOF, Redis 7.2 and later). */
  readonly onDisk: boolean;
  /** How long replicas may take; default 500. */
  readonly timeoutMs?: number;
  readonly onError: (error: Error) => void;
}

/** @throws TypeError for a Cluster: there each partition has a stream of its own */
export function createDurabilityGate(options: DurabilityOptions): DurabilityGate {
  const { target, oneServer, keys, replicas, onDisk, onError } = options;
  const timeoutMs = options.timeoutMs ?? 500;
  if (target.cluster !== undefined)
    throw new TypeError("the ha profiles need a single primary (url or sentinels)");
  const connection = openConnection(target, "writes", timeoutMs + 1000, oneServer);
  connection.on("error", onError);
  connection.connect().catch(() => {}); // reported by the event; the client tries again
  const key = keys.meta("gate");
  let running: Promise<void> | null = null;
  let next: Promise<void> | null = null;

  async function wait(): Promise<void> {
    try {
      const [, answer] = await Promise.all([
        connection.set(key, "1"),
        onDisk
          ? connection.call("WAITAOF", 1, replicas, timeoutMs)
          : connection.call("WAIT", replicas, timeoutMs),
      ]);
      const [local, confirmed] = Array.isArray(answer) ? answer.map(Number) : [1, Number(answer)];
      if (local! < 1 || confirmed! < replicas) {
        throw new Error(`${confirmed} of ${replicas} replicas confirmed within ${timeoutMs} ms`);
      }
    } catch (cause) {
      throw unavailable("durability gate", cause);
    }
  }
  async function start(): Promise<void> {
    running = wait();
    try {
      await running;
    } finally {
      running = null;
    }
  }
  return {
    async confirm() {
      if (running === null) return start();
      // The running wait started before this call's writes; the next one covers them.
      next ??= running
        .catch(() => {})
        .then(() => {
          next = null;
          return start();
        });
      return next;
    },
    close: () => closeConnection(connection),
  };
}
