/**
 * The bound of all stored responses, kept by several nodes that fill one store, and one caller's share of it.
 *
 * What is stored is counted by the scripts that store it. What a node is writing, and what was dropped and is still read,
 * it counts itself and tells the others where they look. Between two looks it may write a part of the room that it saw
 * (core/cache/room.ts), so that the bound holds although nobody asks before each write.
 */
import { randomBytes } from "node:crypto";
import { mayTake } from "@sticky-proxy/core/budgets";
import { allowedBytes, bodyWeight, excessBytes, roomOf } from "@sticky-proxy/core/cache";
import type { Clock } from "@sticky-proxy/protocol";
import { createHeldBytes } from "./held-bytes.ts";
import type { CacheIo } from "./io.ts";
import { looseCounts } from "./loose.ts";
import { memoryRoom } from "./memory.ts";

export interface CacheBudget {
  /** Takes room for bytes of a body; at once where it may, without a trip. false: there is none, or not for this holder. */
  take(bytes: number, holder: string): Promise<boolean> | boolean;
  /** As `take`, for a body: what was taken for it counts until it is settled or abandoned. */
  takeFor(bodyId: string, bytes: number, holder: string): Promise<boolean> | boolean;
  /** The response was committed, or not: its body is counted with what is stored, or abandoned by its writer. */
  settle(bodyId: string | null, ownBytes: number, isStored: boolean): void;
  /** The body's bytes are gone. */
  abandoned(bodyId: string): void;
  /** Bytes of a body that is stored no more, and stands for its readers' sake for `ms`. */
  readonly retired: (bytes: number, ms: number) => void;
}

export interface CacheBudgetOptions {
  /** null: the server evicts by its own policy. */
  readonly maxBytes: number | null;
  /** Share of the server's maxmemory that may be used while the cache stores. */
  readonly memoryShare: number;
  readonly clock: Pick<Clock, "monotonic">;
  /** Told of what has to go, where that is known to be something, with the bytes of each partition. */
  readonly onExcess: (bytes: number, sizes: readonly number[], mostly: string | null) => void;
}

interface Claim {
  readonly bytes: number;
  readonly holder: string;
  /** Makes so many bytes known to the other nodes; negative: takes them back. */
  readonly tell: (bytes: number) => void;
}

const lookEveryMs = 1000;
/** What was seen so lately need not be looked at again. */
const recentMs = 50;
/** A write before the first look. */
const firstAllowance = 256 * 1024;

export function createCacheBudget(
  io: CacheIo,
  { maxBytes, memoryShare, clock, onExcess }: CacheBudgetOptions,
): CacheBudget {
  const { writes, keys, guard } = io;
  const node = randomBytes(6).toString("base64url");
  const loose = looseCounts(clock);
  const fill = { max: maxBytes ?? Infinity, stored: 0, loose: 0, memoryRoom: Infinity };
  let allowance = firstAllowance;
  let lookedAt = -Infinity;
  let looking: Promise<void> | null = null;
  let lastTurn: Promise<unknown> = Promise.resolve();
  const held = createHeldBytes(io, clock);

  async function lookNow(): Promise<void> {
    lookedAt = clock.monotonic();
    const told = loose.bytes();
    // As patient as with every call: no response waits longer for its room than for its store.
    const [sizes, memory, others] = await guard.run(() =>
      Promise.all([
        held.ofPartitions(),
        memoryRoom(writes, memoryShare),
        maxBytes === null ? 0 : loose.exchange(writes, keys.loose(), node, told),
      ]),
    );
    fill.stored = sizes.reduce((sum, size) => sum + size, 0);
    fill.loose = others + loose.bytes();
    fill.memoryRoom = memory;
    allowance = allowedBytes(roomOf(fill));
    const excess = excessBytes(fill);
    if (excess > 0) onExcess(excess, sizes, null);
  }

  /** Never rejects: without an answer what was known counts. */
  function look(): Promise<void> {
    looking ??= lookNow()
      .catch(() => undefined)
      .finally(() => (looking = null));
    return looking;
  }

  /** The claim is told before the others' are read, so that of nodes that claim at once none passes the bound. */
  async function mayClaim(bytes: number, holder: string): Promise<boolean> {
    const isRecent = clock.monotonic() - lookedAt <= recentMs;
    if (isRecent && roomOf(fill) < 0) return false; // a full store is not asked for each response
    if (bytes > allowance || !isRecent) {
      await looking; // begun before the claim
      await look();
    }
    if (roomOf(fill) < 0) return false;
    if (maxBytes === null || holder === "" || isRoomy(fill)) return true;
    const own = await held.of(holder);
    const used = fill.stored + fill.loose;
    if (mayTake(maxBytes, used, own + bytes, 0)) return true;
    onExcess(own / 8, await held.ofPartitions().catch(() => []), holder);
    return false;
  }

  /** One after the other: claims of one node that do not fit together must not refuse each other. */
  async function claimInTurn({ bytes, holder, tell }: Claim, before: Promise<unknown>): Promise<boolean> {
    await before;
    tell(bytes);
    fill.loose += bytes;
    const may = await mayClaim(bytes, holder);
    if (may) allowance -= bytes;
    else {
      tell(-bytes);
      fill.loose -= bytes;
    }
    return may;
  }

  function claim(claimed: Claim): Promise<boolean> | boolean {
    const { bytes, tell } = claimed;
    if (clock.monotonic() - lookedAt > lookEveryMs) void look();
    if (bytes <= allowance && isRoomy(fill)) {
      allowance -= bytes;
      fill.loose += bytes;
      tell(bytes);
      return true;
    }
    const turn = claimInTurn(claimed, lastTurn);
    lastTurn = turn;
    return turn;
  }

  return {
    take: (bytes, holder) => claim({ bytes, holder, tell: () => undefined }),
    takeFor: (bodyId, bytes, holder) => claim({ bytes, holder, tell: (more) => loose.grow(bodyId, more) }),
    settle(bodyId, ownBytes, isStored) {
      const bytes = ownBytes + (bodyId !== null && isStored ? loose.end(bodyId) : 0);
      fill.loose -= bytes;
      if (isStored) fill.stored += bytes;
    },
    abandoned: (bodyId) => void loose.end(bodyId),
    retired: (bytes, ms) => loose.retire(bodyWeight(bytes), ms),
  };
}

/** Even if all of it were one holder's, it might have more: whose it is need not be known. */
function isRoomy({ max, stored, loose }: { max: number; stored: number; loose: number }): boolean {
  return max === Infinity || mayTake(max, stored + loose, stored + loose, 0);
}
