/**
 * The gate of the `ha` profiles: a record is on every attached replica, as it was written or read, before `confirm`
 * resolves. It has its own connection, because WAIT blocks one. Records that come during a round share the next one of
 * their server; a Cluster's primaries each have rounds of their own.
 */
import { StoreUnavailable, type ProcessRecord } from "@sticky-proxy/core/process";
import { crc16 } from "@sticky-proxy/core/idempotency";
import { randomBytes } from "node:crypto";
import { Cluster, Redis } from "ioredis";
import type { Keys } from "../keys.ts";
import { closeConnection, openConnection, untilReady, type RedisTarget } from "../redis/redis.ts";
import type { OneServer } from "../redis/one-server.ts";
import { unavailable } from "../redis/unavailable.ts";
import { confirmOn, KnownPrimary, type PlacedRecord } from "./gate-round.ts";
import { whereaboutsOf } from "./whereabouts.ts";

export interface DurabilityGate {
  /**
   * @throws RecordDiffers when the record does not stand as it is given; StoreUnavailable when not every attached replica
   * confirmed in time, or none is attached
   * @param keys of the store that has the record; default: the gate's own
   */
  confirm(record: ProcessRecord, keys?: Keys): Promise<void>;
  /** true: a write that this gate confirmed does not stand any more. Rejects when the store does not answer. */
  hasForgotten(): Promise<boolean>;
  close(): Promise<void>;
}

export interface DurabilityOptions {
  readonly target: RedisTarget;
  /** Server of the connections whose writes are confirmed: another server cannot confirm them. */
  readonly oneServer: OneServer;
  readonly keys: Keys;
  /** Also on disk here and there (WAITAOF, Redis 7.2 and later). */
  readonly onDisk: boolean;
  /** How long replicas may take; default 500. */
  readonly timeoutMs?: number;
  readonly onError: (error: Error) => void;
}

interface Waiter extends PlacedRecord {
  readonly settle: (why: Error | null) => void;
}

interface Lane {
  readonly known: KnownPrimary;
  waiting: Waiter[];
  isRunning: boolean;
}

/** What was confirmed lately need not be asked again: a replay on this node costs nothing more. */
const maxRemembered = 10_000;
const markKeepMs = 3_600_000;
/** After a fail-over this connection may come back a moment later than the others. */
const reconnectWaitMs = 1000;
const slots = 16_384;

export function createDurabilityGate(options: DurabilityOptions): DurabilityGate {
  const { target, oneServer, keys, onDisk, onError } = options;
  const timeoutMs = options.timeoutMs ?? 500;
  const connection = openConnection(target, "writes", timeoutMs + 1000, oneServer);
  connection.on("error", onError);
  connection.connect().catch(() => {}); // reported by the event; the client tries again
  const node = randomBytes(6).toString("base64url");
  const lanes = new Map<string, Lane>();
  const confirmed = new Set<string>();
  const marks = new Map<number, { readonly value: number; readonly at: number }>();
  let rounds = 0;

  /** One stream of replication has one mark, a Cluster's partitions have one each. */
  const markPartition = (partition: number): number => (connection instanceof Cluster ? partition : 0);

  async function round(lane: Lane, server: Redis, batch: readonly Waiter[]): Promise<void> {
    const partition = markPartition(batch[0]!.record.partition);
    const value = (rounds += 1);
    const answers = await confirmOn(server, lane.known, batch, {
      onDisk,
      timeoutMs,
      mark: { key: keys.gate(partition, node), value, keepMs: markKeepMs },
      whereabouts: (address) => whereaboutsOf(target, address),
      monotonic: () => performance.now(),
    });
    marks.set(partition, { value, at: performance.now() });
    for (const [i, waiter] of batch.entries()) {
      if (answers[i] === null) remember(waiter.record);
      waiter.settle(answers[i]!);
    }
  }
  function remember(record: ProcessRecord): void {
    confirmed.add(nameOf(record));
    if (confirmed.size > maxRemembered) confirmed.delete(confirmed.values().next().value!);
  }
  async function run(lane: Lane, server: Redis): Promise<void> {
    lane.isRunning = true;
    while (lane.waiting.length > 0) {
      const batch = lane.waiting;
      lane.waiting = [];
      try {
        await round(lane, server, batch);
      } catch (cause) {
        // Each has an error of its own: who waits may say more about it.
        for (const { settle } of batch) settle(unavailable("durability gate", cause));
        if (connection instanceof Cluster) connection.refreshSlotsCache(); // it may be another's slot now
      }
    }
    lane.isRunning = false;
  }
  return {
    async confirm(record, at = keys) {
      if (confirmed.has(nameOf(record))) return;
      const server = serverOf(connection, record.partition);
      if (server === null)
        throw new StoreUnavailable("durability gate: no primary is known for the partition");
      const name = connection instanceof Cluster ? `${server.options.host}:${server.options.port}` : "";
      let lane = lanes.get(name);
      if (lane === undefined)
        lanes.set(name, (lane = { known: new KnownPrimary(), waiting: [], isRunning: false }));
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      lane.waiting.push({ record, keys: at, settle: (why) => (why === null ? resolve() : reject(why)) });
      if (!lane.isRunning) void run(lane, server);
      await promise;
    },
    async hasForgotten() {
      await untilReady(connection, reconnectWaitMs);
      const known = [...marks].filter(([, { at }]) => performance.now() - at < markKeepMs / 2);
      const stored = await Promise.all(
        known.map(([partition]) => connection.get(keys.gate(partition, node))),
      );
      const isForgotten = known.some(([, { value }], i) => Number(stored[i] ?? 0) < value);
      if (isForgotten) marks.clear(); // said once
      return isForgotten;
    },
    close: () => closeConnection(connection),
  };
}

function nameOf({ scope, epoch, version, lastWrite }: ProcessRecord): string {
  return `${scope}.${epoch}.${version}.${lastWrite}`;
}

/** The connection to the primary that has the partition; null: none is known now. */
function serverOf(connection: Redis | Cluster, partition: number): Redis | null {
  if (connection instanceof Redis) return connection;
  const name = connection.slots[crc16(`p${partition}`) % slots]?.[0];
  const nodes = connection.nodes("all");
  return nodes.find(({ options }) => `${options.host}:${options.port}` === name) ?? null;
}
