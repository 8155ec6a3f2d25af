/**
 * What the whole store holds, as gauges. Only the elected leader exports them: from every replica they would be N-fold
 * when summed. What one look costs is bounded: counts per service, and so many dead letters.
 */
import type { ProcessStore } from "@sticky-proxy/core/process";
import { unknownName, type Metrics } from "@sticky-proxy/runtime";

export interface StoreGauges {
  readonly store: Pick<ProcessStore, "count" | "oldestAt" | "deadLetters">;
  /** Bytes of stored bodies; rejects when the cache's Redis is away. */
  readonly cacheBytes: () => Promise<number>;
  readonly services: () => readonly string[];
  /** The store's clock, epoch ms. */
  readonly now: () => number;
  readonly metrics: Pick<Metrics, "processes" | "processOldestAge" | "deadLetters" | "cacheBytes">;
}

/** Dead letters looked at; with more of them the gauge says at least so many. */
const maxDeadLetters = 1000;
const pageSize = 200;
const unfinished = ["pending", "in-progress"] as const;
const classes = ["upstream", "callback", "internal"] as const;

/** One look. @throws StoreUnavailable */
export async function exportStore({ store, cacheBytes, services, now, metrics }: StoreGauges): Promise<void> {
  for (const service of services()) {
    const counts = await store.count(service);
    for (const status of Object.keys(counts) as (keyof typeof counts)[])
      metrics.processes.set({ service, status }, counts[status]);
    for (const status of unfinished) {
      const at = await store.oldestAt(service, status);
      metrics.processOldestAge.set({ service, status }, at === null ? 0 : Math.max(0, now() - at) / 1000);
    }
  }
  await exportDeadLetters({ store, services, metrics });
  metrics.cacheBytes.set({}, await cacheBytes());
}

async function exportDeadLetters({
  store,
  services,
  metrics,
}: Pick<StoreGauges, "store" | "services" | "metrics">): Promise<void> {
  const counts = new Map([...services(), unknownName].map((name) => [name, new Map<string, number>()]));
  let cursor: string | null = null;
  for (let seen = 0; seen < maxDeadLetters; seen += pageSize) {
    const page = await store.deadLetters({ limit: pageSize, cursor });
    for (const { service, deadLetter } of page.items) {
      const ofService = counts.get(service) ?? counts.get(unknownName)!;
      if (deadLetter !== null) ofService.set(deadLetter, (ofService.get(deadLetter) ?? 0) + 1);
    }
    cursor = page.next;
    if (cursor === null) break;
  }
  for (const [service, ofService] of counts)
    for (const word of classes) metrics.deadLetters.set({ service, class: word }, ofService.get(word) ?? 0);
}

/** A leader that steps down stops exporting. */
export function forgetStore({
  processes,
  processOldestAge,
  deadLetters,
  cacheBytes,
}: StoreGauges["metrics"]): void {
  for (const gauge of [processes, processOldestAge, deadLetters, cacheBytes]) gauge.reset();
}
