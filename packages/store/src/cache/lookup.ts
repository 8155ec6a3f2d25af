/** Looks up which stored response a request selects: one round trip when the guess of its variant is right. */
import {
  type CacheStore,
  preference,
  type SelectVariant,
  type StoredMetadata,
} from "@sticky-proxy/core/cache";
import { defineScript, newCall, replyNumber, replyText, runScript } from "../redis/scripts.ts";
import { type IndexLine, namesOf, readIndex, unpackMetadata } from "./entry.ts";
import type { CacheIo } from "./io.ts";
import type { LruBytes } from "./lru.ts";

export const lookupScript = defineScript({
  name: "cache-lookup",
  file: new URL("./lookup.lua", import.meta.url),
  keys: ["entry", "generations", "marker"],
  args: ["key", "call", "variant"],
});

/** The Vary names of a key's newest response: the guess with which one round trip is enough. */
export type VaryGuesses = LruBytes<readonly string[]>;

interface Entry {
  /** The server's clock, epoch ms. */
  readonly now: number;
  readonly index: readonly IndexLine[];
  /** Metadata of the requested variant; null: not stored, or purged. */
  readonly metadata: StoredMetadata | null;
  readonly softPurgedAt: number | null;
  readonly unshareable: string | null;
  readonly revision: number;
  readonly generation: number;
}

/** The key's index with one variant's metadata. @throws CacheUnavailable */
export async function readEntry(
  { reads, keys, guard }: CacheIo,
  key: string,
  variant: string,
): Promise<Entry> {
  const reply = await guard.run(() =>
    runScript(reads, lookupScript, {
      keys: {
        entry: keys.entry(key),
        generations: keys.generations(keys.partitionOf(key)),
        marker: keys.marker(key),
      },
      args: { key, call: newCall(), variant },
    }),
  );
  const packed = replyText(reply[2]);
  const metadata = packed === null ? null : unpackMetadata(packed);
  const generation = metadata?.generation ?? 0;
  const soft = replyNumber(reply[4]);
  // C2. A generation above the last known one means that the generations were lost: then no stored response is valid.
  const isRejected = replyNumber(reply[3]) > generation || replyNumber(reply[5]) < generation;
  return {
    now: replyNumber(reply[0]),
    index: readIndex(reply[1]),
    metadata: isRejected ? null : metadata,
    softPurgedAt: soft > generation ? Math.floor(soft / 1000) : null,
    unshareable: replyText(reply[6]),
    revision: replyNumber(reply[7]),
    generation: replyNumber(reply[5]),
  };
}

/** @throws CacheUnavailable */
export function createLookup(io: CacheIo, guesses: VaryGuesses): CacheStore["lookup"] {
  return async function lookup(key, select) {
    const guess = select(guesses.get(key) ?? []);
    let found = await readEntry(io, key, guess);
    const { selected, varyNames, isEmpty, hasWhole } = choose(found.index, found.now, select);
    if (!isEmpty) guesses.set(key, varyNames);
    if (selected !== undefined && selected.i !== guess) found = await readEntry(io, key, selected.i);
    const stored = selected === undefined ? null : found.metadata;
    return {
      now: found.now,
      stored,
      softPurgedAt: stored === null ? null : found.softPurgedAt,
      otherVariants: selected === undefined && hasWhole,
      unshareable: found.unshareable,
      revision: found.revision,
      generation: found.generation,
      varyNames,
    };
  };
}

/** Which line a request selects, newest first, and how the key's responses select. */
function choose(index: readonly IndexLine[], now: number, select: SelectVariant) {
  let selected: IndexLine | undefined;
  let rank = Infinity;
  let varyNames: readonly string[] = [];
  let isEmpty = true;
  let hasWhole = false;
  for (const line of index) {
    if (line.u <= now) continue;
    isEmpty = false;
    const names = namesOf(line);
    const own = preference(names);
    if (own < 2) hasWhole = true;
    if (own === 0 && varyNames.length === 0) varyNames = names;
    if (own < rank && select(names) === line.i) [selected, rank] = [line, own];
  }
  return { selected, varyNames, isEmpty, hasWhole };
}
