/**
 * What one holder may store. The pool is the memory up to where claims are shed; beside it a holder may have an absolute
 * bound. Scripts count each process with the write that makes or changes it, by partition ({@link Keys.held}); the sum
 * over partitions is read only where a holder's share matters: a pool that is nearly used up, or a bound. So plain
 * requests, hits and replays cost nothing, and a new process usually nothing either.
 */
import { mayTake, shareOf } from "@sticky-proxy/core/budgets";
import { HolderOverBudget, StoreUnavailable, type Draft } from "@sticky-proxy/core/process";
import type { Clock } from "@sticky-proxy/protocol";
import { parseInfo } from "../cluster/info.ts";
import { shedAt } from "../cluster/profile.ts";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";

export interface StoredLimits {
  /** Bytes of one holder; null: only its share of the memory. */
  readonly storedBytes: number | null;
  /** Processes of one holder; null: only its share of the memory. */
  readonly storedProcesses: number | null;
  readonly onRefused?: () => void;
}

export interface StoredBudget {
  /** null: it may be stored. @returns why not: the holder has its share, or the memory is used up for all */
  mayStore(draft: Pick<Draft, "fields" | "request">): Promise<HolderOverBudget | StoreUnavailable | null>;
}

export interface StoredBudgetDeps {
  readonly redis: Pick<RedisConnections, "reads">;
  readonly keys: Keys;
  readonly partitions: number;
  readonly limits: StoredLimits;
  readonly clock: Pick<Clock, "monotonic">;
}

/** What a process takes beside its payloads; the scripts count the same (holders.lua). */
const recordBytes = 2048;
const memoryAgeMs = 500;
const heldAgeMs = 1000;
const maxRemembered = 1000;

interface Held {
  readonly at: number;
  bytes: number;
  processes: number;
}

export function createStoredBudget({
  redis,
  keys,
  partitions,
  limits,
  clock,
}: StoredBudgetDeps): StoredBudget {
  const { reads } = redis;
  const every = Array.from({ length: partitions }, (_, p) => p);
  /** Bytes of the pool, of those that are used, and what this node has written since that was read. */
  const memory = { size: Infinity, used: 0, written: 0, at: -Infinity };
  const known = new Map<string, Promise<Held>>();

  /** Not awaited: a figure half a second old and what was written since will do. Never rejects. */
  async function lookAtMemory(): Promise<void> {
    memory.at = clock.monotonic();
    const before = memory.written;
    const info = parseInfo(await reads.info("memory").catch(() => ""));
    const max = Number(info.get("maxmemory") ?? 0);
    if (!info.has("used_memory")) return;
    memory.size = max > 0 && info.get("maxmemory_policy") === "noeviction" ? shedAt * max : Infinity;
    memory.used = Number(info.get("used_memory"));
    memory.written -= before;
  }

  async function readHeld(holder: string): Promise<Held> {
    const sums = await Promise.all(every.map((p) => reads.hmget(keys.held(p), `#${holder}`, `+${holder}`)));
    const sum = (i: 0 | 1): number => sums.reduce((total, each) => total + Number(each[i] ?? 0), 0);
    return { at: clock.monotonic(), bytes: sum(0), processes: sum(1) };
  }

  /** A count that cannot be read counts as none: the write itself then tells that Redis is away. */
  async function heldBy(holder: string): Promise<Held> {
    const recent = await known.get(holder);
    if (recent !== undefined && clock.monotonic() - recent.at < heldAgeMs) return recent;
    const fresh = readHeld(holder).catch(() => ({ at: -Infinity, bytes: 0, processes: 0 }));
    known.delete(holder);
    known.set(holder, fresh);
    if (known.size > maxRemembered) known.delete(known.keys().next().value!);
    return fresh;
  }

  const isBounded = limits.storedBytes !== null || limits.storedProcesses !== null;

  return {
    async mayStore({ fields, request }) {
      if (clock.monotonic() - memory.at > memoryAgeMs) void lookAtMemory();
      const holder = fields.holder ?? "";
      const amount = recordBytes + (request?.body.length ?? 0);
      const used = memory.used + memory.written;
      if (holder === "") return null;
      // Even if all of it were its own, it might have more: whose it is need not be known.
      const isRoomy = mayTake(memory.size, used, used, amount);
      if (isRoomy && !isBounded) {
        memory.written += amount;
        return null;
      }
      const held = await heldBy(holder);
      const isTooMany = held.processes + 1 > (limits.storedProcesses ?? Infinity);
      const isOver = isTooMany || held.bytes + amount > (limits.storedBytes ?? Infinity);
      if (isOver || !mayTake(memory.size, used, held.bytes, amount)) {
        if (!isOver && used + amount > memory.size && held.bytes === 0)
          return new StoreUnavailable("claims are shed: the store's memory runs short");
        limits.onRefused?.();
        const why = "the holder stores as much as it may";
        if (isTooMany) return new HolderOverBudget(why, limits.storedProcesses!, "processes");
        return new HolderOverBudget(
          why,
          Math.min(limits.storedBytes ?? Infinity, shareOf(memory.size)),
          "bytes",
        );
      }
      memory.written += amount;
      held.bytes += amount;
      held.processes += 1;
      return null;
    },
  };
}
