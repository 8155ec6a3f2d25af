/** Every process of one scope that is still kept: what ran for the same request, before and after. */
import type { Fence } from "@sticky-proxy/protocol";
import type { ProcessRecord, ProcessRef, ProcessStore } from "@sticky-proxy/core/process";

/** A scope that was run again more often shows its latest. */
const maxProcesses = 50;

/** Newest first; empty: nothing of the scope is kept. @throws StoreUnavailable */
export async function processHistory(
  store: Pick<ProcessStore, "read">,
  ref: ProcessRef,
): Promise<readonly ProcessRecord[]> {
  const read = async (epoch: Fence | null): Promise<ProcessRecord | null> =>
    (await store.read({ ...ref, epoch }, { withResult: false })).record;
  const found = new Map<number, ProcessRecord>();
  const add = async (epoch: Fence | null): Promise<ProcessRecord | null> => {
    const record = await read(epoch);
    if (record === null || found.has(record.epoch)) return null;
    found.set(record.epoch, record);
    return record;
  };
  await add(null); // the scope's current one
  let next = await add(ref.epoch);
  while (next !== null && next.supersededBy !== null && found.size < maxProcesses)
    next = await add(next.supersededBy);
  for (const start of found.values()) {
    let earlier = start.rerunOf;
    while (earlier !== null && found.size < maxProcesses) earlier = (await add(earlier))?.rerunOf ?? null;
  }
  return [...found.values()].sort((a, b) => b.epoch - a.epoch);
}
