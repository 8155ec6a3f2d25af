/** Removes what one holder has stored, so that a caller which filled its share, or is gone, gives the memory back. */
import { isTerminal, type ProcessRecord } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";
import { cancelProcess } from "../processes/cancel.ts";

export interface FreePorts {
  readonly processes: Pick<Processes, "read" | "apply" | "store">;
  readonly tellCancelled: (record: ProcessRecord) => void;
  /** Where the holder's processes stand; epoch null: a scope's current one. */
  readonly places: (holder: string) => AsyncIterable<Parameters<Processes["read"]>[0]>;
}

export interface Freed {
  readonly removed: number;
  /** Unfinished processes that were left alone, or changed meanwhile. */
  readonly left: number;
}

/**
 * Removes the finished ones: their identities are free then, as after a client's own DELETE.
 * @param cancelRunning cancel and remove the unfinished ones too
 * @throws StoreUnavailable
 */
export async function freeHolder(
  { processes, tellCancelled, places }: FreePorts,
  holder: string,
  cancelRunning: boolean,
): Promise<Freed> {
  let removed = 0;
  let left = 0;
  for await (const place of places(holder)) {
    const { record } = await processes.read(place, { withResult: false });
    if (record === null || record.holder !== holder) continue; // it went, or the scope is another's now
    const ended = await endedRecord({ processes, tellCancelled }, record, cancelRunning);
    if (ended !== null && (await processes.store.purge(ended))) removed += 1;
    else left += 1;
  }
  return { removed, left };
}

/** null: it has not ended. */
async function endedRecord(
  ports: Pick<FreePorts, "processes" | "tellCancelled">,
  record: ProcessRecord,
  cancelRunning: boolean,
): Promise<ProcessRecord | null> {
  if (isTerminal(record.status)) return record;
  if (!cancelRunning) return null;
  const cancelled = await cancelProcess(ports, record);
  return cancelled.kind === "cancelled" || cancelled.kind === "ended" ? cancelled.record : null;
}
