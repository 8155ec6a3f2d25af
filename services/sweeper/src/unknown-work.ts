/**
 * Work whose rules, service or endpoint this sweeper does not know. It is left to a sweeper that does, its alarm rings
 * again and again, and here it can be seen: how much, and since when.
 */
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";

export interface UnknownWork {
  /** Its alarm rang here, and nothing could be done. */
  saw(record: ProcessRecord): void;
  /** It was done here. */
  forget(record: ProcessRecord): void;
  /** What rang within the last minutes. */
  read(): { readonly count: number; readonly oldestMs: number };
}

export interface UnknownWorkDeps {
  /** The store's clock, epoch ms. */
  readonly now: () => number;
  /** What has not rung for so long has been done elsewhere. */
  readonly forgetMs: number;
  /** Told of the first of each service and route. */
  readonly onFirst: (record: ProcessRecord) => void;
}

interface Seen {
  readonly place: string;
  /** When it should have been done. */
  readonly since: number;
  readonly at: number;
}

/** Beyond this more of it is not counted; a number that large needs no exactness. */
const maxSeen = 100_000;

export function createUnknownWork({ now, forgetMs, onFirst }: UnknownWorkDeps): UnknownWork {
  const seen = new Map<string, Seen>();
  const told = new Set<string>();

  function tidy(): void {
    const since = now() - forgetMs;
    for (const [id, { at }] of seen) if (at < since) seen.delete(id);
    const left = new Set([...seen.values()].map(({ place }) => place));
    for (const place of told) if (!left.has(place)) told.delete(place);
  }
  return {
    saw(record) {
      const id = processId(record);
      const since = seen.get(id)?.since ?? record.wakeAt ?? now();
      const place = JSON.stringify([record.service, record.route]);
      if (seen.has(id) || seen.size < maxSeen) seen.set(id, { place, since, at: now() });
      if (told.has(place)) return;
      told.add(place);
      onFirst(record);
    },
    forget: (record) => void (seen.size > 0 && seen.delete(processId(record))),
    read() {
      tidy();
      const at = now();
      let oldestMs = 0;
      for (const { since } of seen.values()) oldestMs = Math.max(oldestMs, at - since);
      return { count: seen.size, oldestMs };
    },
  };
}
