/** The cache's store in one process: the reference of its contract, and what unit tests run on. Nothing is evicted. */
import { isSameUrl } from "../cache/resource.ts";
import {
  type BodyWriter,
  type FetchStart,
  type CacheStore,
  type CommitOptions,
  type Committed,
  type FetchLease,
  type FlightNotice,
  type FlightWatch,
  type KeyView,
  type Lookup,
  type PurgeReport,
  type SelectVariant,
  type TopKey,
  outdatedVariant,
  pieceBytes,
} from "../cache/store.ts";
import type { StoredMetadata } from "../cache/stored-metadata.ts";
import { preference } from "../cache/variant.ts";

interface Entry {
  readonly metadata: StoredMetadata;
  readonly until: number;
}

interface KeyState {
  /** Newest first. */
  entries: Entry[];
  revision: number;
  hard: number;
  soft: number;
  hits: number;
}

export class MemoryCacheStore implements CacheStore {
  readonly #now: () => number;
  readonly #keys = new Map<string, KeyState>();
  readonly #pieces = new Map<string, Buffer>();
  readonly #leases = new Map<string, { token: string; until: number; generation: number }>();
  readonly #markers = new Map<string, { reason: string; until: number }>();
  readonly #generations = new Map<string, { hard: number; soft: number }>();
  readonly #watches = new Map<string, Set<(notice: FlightNotice) => void>>();
  #last: number;
  #bodies = 0;

  /** `now`: epoch ms, the store's own clock. */
  constructor(now: () => number) {
    this.#now = now;
    this.#last = now() * 1000;
  }

  lookup(key: string, select: SelectVariant): Promise<Lookup> {
    const now = this.#now();
    const state = this.#keys.get(key);
    const entries = (state?.entries ?? []).filter(
      ({ until, metadata }) => until > now && this.#hardOf(key, metadata) <= metadata.generation,
    );
    const rank = ({ metadata }: Entry): number => preference(metadata.varyNames);
    const [selected] = entries
      .filter(({ metadata }) => select(metadata.varyNames) === metadata.variant)
      .toSorted((a, b) => rank(a) - rank(b));
    const stored = selected?.metadata ?? null;
    const marker = this.#markers.get(key);
    return Promise.resolve({
      now,
      stored,
      softPurgedAt: stored === null ? null : this.#softPurgedAt(key, stored),
      otherVariants: stored === null && entries.some((entry) => rank(entry) < 2),
      unshareable: marker !== undefined && marker.until > now ? marker.reason : null,
      revision: state?.revision ?? 0,
      generation: this.#last,
      varyNames: entries.find((entry) => rank(entry) === 0)?.metadata.varyNames ?? [],
    });
  }

  begin({ key, flight, token }: FetchLease, leaseMs: number | null): Promise<FetchStart> {
    const now = this.#now();
    const name = `${key}:${flight}`;
    const held = this.#leases.get(name);
    const isHeld = held !== undefined && held.until > now && held.generation === this.#last;
    const granted = leaseMs === null || token === null || !isHeld;
    if (granted && leaseMs !== null && token !== null)
      this.#leases.set(name, { token, until: now + leaseMs, generation: this.#last });
    return Promise.resolve({
      granted,
      generation: this.#last,
      revision: this.#keys.get(key)?.revision ?? 0,
      now,
    });
  }

  renew({ key, flight, token }: FetchLease, leaseMs: number): Promise<void> {
    const now = this.#now();
    const held = this.#leases.get(`${key}:${flight}`);
    if (held !== undefined && held.token === token && held.until > now) held.until = now + leaseMs;
    return Promise.resolve();
  }

  finish({ key, flight, token }: FetchLease, notice: FlightNotice): Promise<void> {
    const name = `${key}:${flight}`;
    if (token !== null && this.#leases.get(name)?.token === token) {
      this.#leases.delete(name);
      for (const tell of this.#watches.get(name) ?? []) tell(notice);
    }
    return Promise.resolve();
  }

  watch(key: string, flight: string): Promise<FlightWatch> {
    const name = `${key}:${flight}`;
    const watches = this.#watches.get(name) ?? new Set();
    this.#watches.set(name, watches);
    const { promise, resolve } = Promise.withResolvers<FlightNotice>();
    watches.add(resolve);
    const close = () => {
      watches.delete(resolve);
      if (watches.size === 0 && this.#watches.get(name) === watches) this.#watches.delete(name);
    };
    return Promise.resolve({ notice: promise, close });
  }

  openBody(key: string): BodyWriter {
    const pieces = this.#pieces;
    const bodyId = String(++this.#bodies);
    let rest = Buffer.alloc(0);
    let written = 0;
    return {
      bodyId,
      get writtenPieces() {
        return written;
      },
      append(bytes) {
        rest = Buffer.concat([rest, bytes]);
        for (; rest.length >= pieceBytes; rest = rest.subarray(pieceBytes)) {
          pieces.set(`${key}:${bodyId}:${written++}`, rest.subarray(0, pieceBytes));
        }
        return Promise.resolve();
      },
      end() {
        if (rest.length > 0) pieces.set(`${key}:${bodyId}:${written++}`, rest);
        rest = Buffer.alloc(0);
        return Promise.resolve();
      },
      abandon() {
        for (let n = 0; n < written; n++) pieces.delete(`${key}:${bodyId}:${n}`);
        return Promise.resolve();
      },
    };
  }

  readPiece(key: string, bodyId: string, n: number): Promise<Buffer | null> {
    return Promise.resolve(this.#pieces.get(`${key}:${bodyId}:${n}`) ?? null);
  }

  commit(options: CommitOptions): Promise<Committed> {
    const { lease, metadata, replaces, maxVariants } = options;
    const now = this.#now();
    const { key, flight, token } = lease;
    if (token !== null && this.#leases.get(`${key}:${flight}`)?.token !== token)
      return Promise.resolve("lease-lost");
    if (this.#hardOf(key, metadata) > metadata.generation) return Promise.resolve("purged");
    const state = this.#state(key);
    const alive = state.entries.filter((entry) => entry.until > now);
    if (replaces !== null && !alive.some((entry) => isSame(entry.metadata, replaces)))
      return Promise.resolve("gone");
    // A response of the future is of a clock that went back: it must not keep out what comes now.
    const isNewer = (entry: Entry): boolean =>
      entry.metadata.responseAt > metadata.responseAt && entry.metadata.responseAt <= now;
    if (alive.some((entry) => entry.metadata.variant === metadata.variant && isNewer(entry)))
      return Promise.resolve("older");
    let held = 0;
    for (let n = 0; metadata.bodyId !== null && n * pieceBytes < metadata.bodyBytes; n++) {
      held += this.#pieces.get(`${key}:${metadata.bodyId}:${n}`)?.length ?? 0;
    }
    if (metadata.bodyId !== null && held !== metadata.bodyBytes) return Promise.resolve("gone");
    const others = alive.filter((entry) => {
      const isReplaced = replaces !== null && isSame(entry.metadata, replaces);
      const { variant } = entry.metadata;
      return variant !== metadata.variant && variant !== outdatedVariant(options) && !isReplaced;
    });
    const newer = others.filter(isNewer);
    if (newer.length >= maxVariants) return Promise.resolve("older");
    const older = others.filter((entry) => !isNewer(entry)).slice(0, maxVariants - newer.length - 1);
    state.entries = [...newer, { metadata, until: now + metadata.retainMs }, ...older];
    state.revision++;
    this.#markers.delete(key);
    void this.finish(lease, "stored");
    return Promise.resolve("stored");
  }

  markUnshareable(key: string, reason: string, ms: number): Promise<void> {
    this.#markers.set(key, { reason, until: this.#now() + ms });
    return Promise.resolve();
  }

  drop(key: string, soft: boolean): Promise<void> {
    const state = this.#state(key);
    const generation = this.#nextGeneration();
    if (soft) state.soft = generation;
    else {
      state.hard = generation;
      state.entries = [];
    }
    state.revision++;
    return Promise.resolve();
  }

  purge(selector: string, soft: boolean): Promise<PurgeReport> {
    const generation = this.#nextGeneration();
    const known = this.#generations.get(selector) ?? { hard: 0, soft: 0 };
    this.#generations.set(selector, soft ? { ...known, soft: generation } : { ...known, hard: generation });
    return Promise.resolve({ partitions: 1, missing: [] });
  }

  recordHits(hits: ReadonlyMap<string, number>): Promise<void> {
    for (const [key, count] of hits) this.#state(key).hits += count;
    return Promise.resolve();
  }

  async inspect(key: string): Promise<KeyView | null> {
    const state = this.#keys.get(key);
    const now = this.#now();
    const marker = this.#markers.get(key);
    const notStored = marker !== undefined && marker.until > now ? marker.reason : null;
    const variants = (state?.entries ?? [])
      .filter(({ until, metadata }) => until > now && this.#hardOf(key, metadata) <= metadata.generation)
      .map(({ metadata }) => ({ metadata, softPurgedAt: this.#softPurgedAt(key, metadata) }));
    if (variants.length === 0 && notStored === null) return null;
    return { now, variants, hits: state?.hits ?? 0, notStored };
  }

  keysOfUrl(url: string): Promise<readonly string[]> {
    const keys = [...this.#keys].filter(([, { entries }]) =>
      entries.some(({ metadata }) => isSameUrl(metadata.url, url)),
    );
    return Promise.resolve(keys.map(([key]) => key));
  }

  top(count: number): Promise<readonly TopKey[]> {
    const keys = [...this.#keys].filter(([, state]) => state.entries.length > 0);
    const sorted = keys.toSorted(([, a], [, b]) => b.hits - a.hits).slice(0, count);
    return Promise.resolve(
      sorted.map(([key, state]) => ({
        key,
        url: state.entries[0]?.metadata.url ?? "",
        hits: state.hits,
        bytes: sum(state.entries),
      })),
    );
  }

  totalBytes(): Promise<number> {
    return Promise.resolve([...this.#keys.values()].reduce((total, state) => total + sum(state.entries), 0));
  }

  #state(key: string): KeyState {
    const state = this.#keys.get(key) ?? { entries: [], revision: 0, hard: 0, soft: 0, hits: 0 };
    this.#keys.set(key, state);
    return state;
  }

  #nextGeneration(): number {
    this.#last = Math.max(this.#last + 1, this.#now() * 1000);
    return this.#last;
  }

  #hardOf(key: string, metadata: StoredMetadata): number {
    const own = this.#keys.get(key)?.hard ?? 0;
    return Math.max(own, ...metadata.selectors.map((selector) => this.#generations.get(selector)?.hard ?? 0));
  }

  #softPurgedAt(key: string, metadata: StoredMetadata): number | null {
    const own = this.#keys.get(key)?.soft ?? 0;
    const soft = Math.max(
      own,
      ...metadata.selectors.map((selector) => this.#generations.get(selector)?.soft ?? 0),
    );
    return soft > metadata.generation ? Math.floor(soft / 1000) : null;
  }
}

function isSame(a: StoredMetadata, b: StoredMetadata): boolean {
  return a.bodyId === b.bodyId && a.variant === b.variant && a.responseAt === b.responseAt;
}

function sum(entries: readonly Entry[]): number {
  return entries.reduce((total, { metadata }) => total + metadata.bodyBytes, 0);
}
