/**
 * Makes room in the cache. It follows writes instead of a timer of its own: a cache that stores nothing does not grow.
 */
import { forgetEntry } from "./forget.ts";
import type { CacheIo } from "./io.ts";

export interface Trimmer {
  /** After every so many commits the partition's expired entries are taken from the counts. */
  afterCommit(partition: number): void;
  /**
   * Evicts so many bytes behind the caller's back, the least recently used first; one call at a time, others are ignored.
   * @param sizes bytes of each partition
   * @param holder whose; null: anybody's, but of a holder that has more than half of a partition its own first
   */
  free(bytes: number, sizes: readonly number[], holder: string | null): void;
}

/** Every so many commits one partition's oldest entries are looked at. */
const trimEvery = 32;
const trimBatch = 32;
/** Batches of one partition in one run. */
const maxBatches = 16;

interface Candidate {
  readonly key: string;
  readonly bytes: number;
  readonly holder: string;
}

/** @param evict removes what is stored under the key */
export function createTrimmer(io: CacheIo, evict: (key: string) => Promise<void>): Trimmer {
  const { writes, keys } = io;
  let commits = 0;
  let isBusy = false;

  async function oldestOf(partition: number, from: number): Promise<Candidate[]> {
    const oldest = await writes.zrange(keys.uses(partition), from, from + trimBatch - 1);
    if (oldest.length === 0) return [];
    const facts = await writes.hmget(keys.sizes(partition), ...oldest.flatMap((key) => [key, `@${key}`]));
    return oldest.map((key, i) => ({
      key,
      bytes: Number(facts[2 * i] ?? 0),
      holder: facts[2 * i + 1] ?? "",
    }));
  }

  /** Who has more than half of the partition; null: nobody, or nobody knows who. */
  async function mainHolder(partition: number, among: readonly Candidate[]): Promise<string | null> {
    const holders = [...new Set(among.map(({ holder }) => holder))].filter((holder) => holder !== "");
    if (holders.length === 0) return null;
    const [all, ...own] = await writes.hmget(
      keys.sizes(partition),
      "#",
      ...holders.map((holder) => `#${holder}`),
    );
    const at = own.findIndex((bytes) => Number(bytes ?? 0) * 2 > Number(all ?? 0));
    return at === -1 ? null : holders[at]!;
  }

  /** @returns bytes that were freed; what has expired counts as well */
  async function removed({ key, bytes }: Candidate): Promise<number> {
    const isAlive = (await writes.hexists(keys.entry(key), "v")) === 1;
    await (isAlive ? evict(key) : forgetEntry(io, key));
    return bytes;
  }

  async function freeOf(partition: number, bytes: number, holder: string | null): Promise<number> {
    let freed = 0;
    let passed = 0;
    for (let batch = 0; batch < maxBatches && freed < bytes; batch += 1) {
      const oldest = await oldestOf(partition, passed);
      if (oldest.length === 0) break;
      const whose = holder ?? (await mainHolder(partition, oldest));
      const victims = whose === null ? oldest : oldest.filter((one) => one.holder === whose);
      passed += oldest.length;
      for (const victim of victims) {
        if (freed >= bytes) break;
        freed += await removed(victim);
        passed -= 1;
      }
    }
    return freed;
  }

  async function free(bytes: number, sizes: readonly number[], holder: string | null): Promise<void> {
    const all = sizes.reduce((sum, size) => sum + size, 0);
    let left = bytes;
    // From each partition its part, so that what was used lately is kept in all of them; then the largest give the rest.
    const largest = sizes.map((size, partition) => ({ size, partition })).toSorted((a, b) => b.size - a.size);
    for (const { size, partition } of largest)
      if (left > 0 && size > 0) left -= await freeOf(partition, Math.min(left, (bytes * size) / all), holder);
    for (const { partition } of largest) if (left > 0) left -= await freeOf(partition, left, holder);
  }

  async function forgetExpired(partition: number): Promise<void> {
    for (const candidate of await oldestOf(partition, 0))
      if ((await writes.hexists(keys.entry(candidate.key), "v")) === 0) await forgetEntry(io, candidate.key);
  }

  /** The next write tries again. */
  function behind(work: Promise<void>): void {
    isBusy = true;
    void work.catch(() => undefined).finally(() => (isBusy = false));
  }

  return {
    afterCommit(partition) {
      commits += 1;
      if (!isBusy && commits % trimEvery === 0) behind(forgetExpired(partition));
    },
    free(bytes, sizes, holder) {
      if (!isBusy) behind(free(bytes, sizes, holder));
    },
  };
}
