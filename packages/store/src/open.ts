/** Opens the state Redis for one node: connections, shared settings, processes, notices. */
import { CodedError, asMonotonicMs, type EpochMs } from "@sticky-proxy/protocol";
import { createHmac } from "node:crypto";
import { createChanges, type RedisChanges } from "./process/changes.ts";
import { createDurabilityGate, type DurabilityGate } from "./cluster/durability.ts";
import { createIncarnation, type Incarnation, type IncarnationOptions } from "./cluster/incarnation.ts";
import { createPinStore } from "./cluster/pins.ts";
import type { StoreMemory } from "@sticky-proxy/core/mirror";
import type { PinStore } from "@sticky-proxy/core/process";
import type { Health } from "./cluster/profile-check.ts";
import { createKeys, type Keys } from "./keys.ts";
import { openMeta, type Meta } from "./cluster/meta.ts";
import { createHolders, type Holders } from "./process/holders.ts";
import { createStoredBudget, type StoredLimits } from "./process/stored-budget.ts";
import { confirmedReads } from "./process/confirmed-reads.ts";
import { createProcessStore, type RedisProcessStore } from "./process/process-store.ts";
import { parseInfo } from "./cluster/info.ts";
import type { Profile } from "./cluster/profile.ts";
import { agreeOnKeys } from "./sealing/agreement.ts";
import { createSealing, type Sealing, type SealingOptions, unsealed } from "./sealing/sealing.ts";
import { isLoading } from "./redis/loading.ts";
import { observeScripts, type ScriptObserver } from "./redis/scripts.ts";
import {
  connectRedis,
  mastersOf,
  placeOf,
  serverTime,
  wasNeverSent,
  type ConnectionName,
  type RedisConnections,
  type RedisTarget,
} from "./redis/redis.ts";

export interface OpenStore {
  readonly redis: RedisConnections;
  readonly keys: Keys;
  readonly meta: Meta;
  /** For whatever else keeps values of clients and services here. */
  readonly sealing: Sealing;
  /** This deployment's name in CDN-Loop, the same on every node; it tells nothing about the secret. */
  readonly loopId: string;
  readonly processes: RedisProcessStore;
  readonly pins: PinStore;
  readonly changes: RedisChanges;
  /** Who stores how much. */
  readonly holders: Holders;
  /** Looks by itself after each reconnection; `check` it every 10 s besides. */
  readonly incarnation: Incarnation;
  /** The gate that the `ha` profiles want before anything is sent; null: none. */
  readonly confirm: DurabilityGate["confirm"] | null;
  /** The server's clock. Rejects when it does not answer. */
  readTime(): Promise<EpochMs>;
  /** What the profile check has seen of the servers' memory: over 80 % in use, new claims are refused. */
  noteMemory(seen: Pick<Health, "sheds" | "memoryLimit" | "memoryShare">): void;
  /** As last noted. */
  memory(): StoreMemory;
  close(): Promise<void>;
}

/** Redis did not answer within the time to start. */
export class StoreUnreachable extends CodedError {
  override readonly name = "StoreUnreachable";
  override readonly code = "STORE_UNREACHABLE";
}

export interface OpenStoreOptions {
  readonly target: RedisTarget;
  readonly keyPrefix: string;
  readonly partitions: number | null;
  readonly timelineLength: number;
  /** How long to wait for Redis at the start. */
  readonly waitMs: number;
  readonly onError: (name: ConnectionName, error: Error) => void;
  /** Told of every script's run. */
  readonly onScript?: ScriptObserver;
  /** Redis loads its data, which is waited for however long it takes; told every `waitMs`. */
  readonly onLoading?: () => void;
  /** Default `standard`. */
  readonly profile?: Profile;
  /** The longest lease of any route; default 30 000. */
  readonly maxLeaseMs?: number;
  /** Claims pause, because Redis may have forgotten some. */
  readonly onPause?: IncarnationOptions["onPause"];
  /** Absent: values are written as they are. */
  readonly encryption?: SealingOptions;
  /** What one holder may store; absent: whatever the server takes. */
  readonly budget?: StoredLimits;
}

/**
 * @throws StoreUnreachable; MetaMismatch when another node has written other settings; TypeError for an `ha` profile
 * on a Cluster
 */
export async function openStore(options: OpenStoreOptions): Promise<OpenStore> {
  let lastError = "nothing came back";
  const redis = connectRedis(options.target, {
    onError(name, error) {
      if (error.message !== "") lastError = error.message;
      options.onError(name, error);
    },
  });
  const unreachable = (): StoreUnreachable => {
    const place = placeOf(options.target);
    return new StoreUnreachable(
      `Redis at ${place} did not answer within ${options.waitMs / 1000} s: ${lastError}`,
    );
  };
  if (options.onScript !== undefined) {
    observeScripts(redis.writes, options.onScript);
    observeScripts(redis.reads, options.onScript);
  }
  try {
    let wasLoading = false;
    while (!(await redis.ready(options.waitMs))) {
      const loads = await isLoading(options.target);
      if (!loads && !wasLoading) throw unreachable();
      wasLoading = loads; // what has just been loaded is waited for once more
      if (loads) options.onLoading?.();
    }
    const keys = createKeys(options.keyPrefix);
    const meta = await openMeta(redis.writes, keys, { partitions: options.partitions });
    const { partitions } = meta;
    const sealing = options.encryption === undefined ? unsealed : createSealing(options.encryption);
    await agreeOnKeys(redis.writes, keys, sealing);
    const { profile = "standard", maxLeaseMs = 30_000, onPause = () => {} } = options;
    const clock = { monotonic: () => asMonotonicMs(performance.now()) };
    const gate = profile.startsWith("ha") ? await openGate(options, redis, keys) : null;
    const incarnation = createIncarnation({
      redis,
      keys,
      profile,
      leaseMs: maxLeaseMs,
      clock,
      onPause,
      gate,
    });
    let memory: Parameters<OpenStore["noteMemory"]>[0] = {
      sheds: false,
      memoryLimit: null,
      memoryShare: null,
    };
    const budget =
      options.budget === undefined
        ? null
        : createStoredBudget({ redis, keys, partitions, limits: options.budget, clock });
    const unconfirmed = createProcessStore({
      ...(budget === null ? {} : { budget }),
      redis,
      keys,
      sealing,
      partitions,
      timelineLength: options.timelineLength,
      maxLeaseMs,
      clock,
      incarnation,
      sheds: () => memory.sheds,
    });
    const processes = confirmedReads(unconfirmed, gate);
    const changes = createChanges({ subscriber: redis.subscriber, keys, partitions });
    return {
      redis,
      keys,
      meta,
      sealing,
      loopId: `sticky-proxy-${createHmac("sha256", meta.secret).update("loop-id").digest("hex").slice(0, 8)}`,
      processes,
      pins: createPinStore({ redis, keys }),
      changes,
      holders: createHolders(redis, keys, partitions),
      incarnation,
      readTime: () => serverTime(redis.reads),
      noteMemory: (seen) => (memory = seen),
      memory: () => ({ limit: memory.memoryLimit, share: memory.memoryShare }),
      confirm: gate === null ? null : (record, at) => gate.confirm(record, at),
      async close() {
        await gate?.close();
        await redis.close();
      },
    };
  } catch (error) {
    await redis.close();
    // A server that lets everybody in is up for a moment before it refuses a wrong user and is left.
    throw wasNeverSent(error) ? unreachable() : error;
  }
}

/** Every attached replica has to confirm; on disk where the server can say so (WAITAOF, 7.2). */
async function openGate(
  { target, onError }: OpenStoreOptions,
  redis: RedisConnections,
  keys: Keys,
): Promise<DurabilityGate> {
  const [server] = mastersOf(redis.writes);
  const version = parseInfo(await server!.info("server")).get("redis_version") ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return createDurabilityGate({
    target,
    oneServer: redis.oneServer,
    keys,
    onDisk: major > 7 || (major === 7 && minor >= 2),
    onError: (error) => onError("writes", error),
  });
}
