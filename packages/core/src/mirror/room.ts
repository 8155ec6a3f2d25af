/** Whether the outbox has room for one more copy. Pure. */
import type { MaxLag } from "../registry/service.ts";
import type { Lag } from "./outbox.ts";

/** What is known of the store's memory, over all servers the fullest. */
export interface StoreMemory {
  /** Bytes; null: the server has no limit, or tells none. */
  readonly limit: number | null;
  /** Share of the limit that is in use; null: as above. */
  readonly share: number | null;
}

/** Of the store's memory, at most this share waits for a secondary. */
const shareOfStore = 0.2;
/** Where the store has no limit. */
const unlimitedBytes = 1024 ** 3;
/** In use beyond this share, the rest is for processes: they are refused from four fifths on. */
const fullAt = 0.6;
/** What a copy takes besides its body: record, head, alarm, intent. */
const overheadBytes = 2048;

export function roomFor(
  waiting: Pick<Lag, "entries" | "bytes" | "oldestMs">,
  { entries, bytes, ageMs }: MaxLag,
  memory: StoreMemory,
  bodyBytes: number,
): boolean {
  if (waiting.entries >= entries) return false;
  if (waiting.oldestMs !== null && waiting.oldestMs > ageMs) return false;
  if (memory.share !== null && memory.share > fullAt) return false;
  if (bytes !== null) return waiting.bytes < bytes;
  const most = memory.limit === null ? unlimitedBytes : memory.limit * shareOfStore;
  return waiting.bytes + (waiting.entries + 1) * overheadBytes + bodyBytes <= most;
}
