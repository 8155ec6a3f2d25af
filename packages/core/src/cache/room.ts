/**
 * Room for stored responses in a store that several nodes fill: how much a node may write before it has to look again, and
 * what has to go. Pure; bytes are what the store's server takes, not what a body has.
 */

/** How full the store is, as one node knows it. */
export interface StoreFill {
  /** Bound of all stored responses; Infinity: none. */
  readonly max: number;
  /** Of stored responses. */
  readonly stored: number;
  /** Of bodies that are written, or were dropped and are still read. */
  readonly loose: number;
  /** Until the server's memory is as full as a cache may make it; negative: other data needs the room. */
  readonly memoryRoom: number;
}

/** What is left for all nodes. */
export function roomOf({ max, stored, loose, memoryRoom }: StoreFill): number {
  return Math.min(max - stored - loose, memoryRoom);
}

/** As many nodes may use up what they were allowed between two looks without the bound being passed. */
const nodesAtOnce = 8;
/** A piece of a body with what it takes beside its bytes: less is not worth a look. */
const leastAllowed = 96 * 1024;

/** How much a node may write until it looks again: a part of the room, since others do the same. */
export function allowedBytes(room: number): number {
  if (room <= 0) return 0;
  return Math.max(room / nodesAtOnce, Math.min(room, leastAllowed));
}

/** Stored responses are dropped above the first share of the bound, down to the second: room for new ones is made ahead. */
const trimAbove = 0.8;
const trimTo = 0.75;

/** Bytes of stored responses that have to go; 0: none. */
export function excessBytes({ max, stored, memoryRoom }: StoreFill): number {
  const overBound = stored > trimAbove * max ? stored - trimTo * max : 0;
  return Math.min(stored, Math.max(overBound, -memoryRoom, 0));
}

const chunkBytes = 256 * 1024;
const piece = 64 * 1024;

/** What the server takes for a chunk that was written in pieces: it keeps room for appending (*measured*, Redis 7 with jemalloc). */
function chunkWeight(bytes: number): number {
  if (bytes === 0) return 0;
  return Math.ceil(bytes <= piece ? 1.25 * bytes + 128 : Math.min(2.5 * bytes, 1.25 * chunkBytes) + 128);
}

/** What a body of so many bytes takes. */
export function bodyWeight(bytes: number): number {
  return Math.floor(bytes / chunkBytes) * chunkWeight(chunkBytes) + chunkWeight(bytes % chunkBytes);
}
