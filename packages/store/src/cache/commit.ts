/** Makes a response visible once its body is complete (C1), unless it was purged since its fetch began (C2). */
import { bodyWeight, type CacheStore, type Committed, outdatedVariant } from "@sticky-proxy/core/cache";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { chunkBytes, chunkKeys, retireBodies } from "./body.ts";
import { packMetadata, readDropped } from "./entry.ts";
import type { CacheIo } from "./io.ts";
import type { VaryGuesses } from "./lookup.ts";
import type { CacheBudget } from "./budget.ts";
import type { Trimmer } from "./trim.ts";

export const commitScript = defineScript({
  name: "cache-commit",
  file: new URL("./commit.lua", import.meta.url),
  keys: ["entry", "generations", "lease", "marker", "uses", "sizes", "hits", "notices"],
  moreKeys: "chunks",
  args: [
    "key",
    "call",
    "token",
    "generation",
    "variant",
    "metadata",
    "selectors",
    "names",
    "bodyId",
    "bytes",
    "retainMs",
    "maxVariants",
    "replacedVariant",
    "replacedBody",
    "url",
    "chunkBytes",
    "message",
    "responseAt",
    "outdatedVariant",
    "weight",
    "holder",
  ],
});

export interface CommitDeps {
  readonly budget: Pick<CacheBudget, "take" | "settle" | "retired">;
  readonly trimmer: Trimmer;
  readonly guesses: VaryGuesses;
}

/** What an entry takes beside its metadata: its index and its places in the counts. */
const entryBytes = 1024;

/** @throws CacheUnavailable */
export function createCommit(io: CacheIo, { budget, trimmer, guesses }: CommitDeps): CacheStore["commit"] {
  const { writes, keys, guard } = io;
  return async function commit(options) {
    const { lease, metadata, replaces, maxVariants, holder = "" } = options;
    const { key, flight, token } = lease;
    const packed = packMetadata(metadata);
    const ownBytes = entryBytes + packed.length + metadata.url.length;
    if (!(await budget.take(ownBytes, holder))) return "store-full";
    const partition = keys.partitionOf(key);
    const reply = await guard.run(() =>
      runScript(writes, commitScript, {
        keys: {
          entry: keys.entry(key),
          generations: keys.generations(partition),
          lease: keys.lease(key, flight),
          marker: keys.marker(key),
          uses: keys.uses(partition),
          sizes: keys.sizes(partition),
          hits: keys.hits(partition),
          notices: keys.notices(partition),
        },
        moreKeys: chunkKeys(keys, key, metadata.bodyId, metadata.bodyBytes),
        args: {
          key,
          call: newCall(),
          token: token ?? "",
          generation: metadata.generation,
          variant: metadata.variant,
          metadata: packed,
          selectors: metadata.selectors.join("\n"),
          names: metadata.varyNames.join(","),
          bodyId: metadata.bodyId ?? "",
          bytes: metadata.bodyBytes,
          retainMs: Math.ceil(metadata.retainMs),
          maxVariants,
          replacedVariant: replaces?.variant ?? "",
          replacedBody: replaces === null ? "-" : (replaces.bodyId ?? ""),
          url: metadata.url,
          chunkBytes,
          message: token === null ? "" : `${key}:${flight} stored`,
          responseAt: metadata.responseAt,
          outdatedVariant: outdatedVariant(options),
          weight: bodyWeight(metadata.bodyBytes) + ownBytes,
          holder: replaces === null ? holder : "",
        },
      }),
    );
    const word = replyText(reply[0]) as Committed;
    budget.settle(metadata.bodyId, ownBytes, word === "stored");
    if (word === "stored") {
      guesses.set(key, metadata.varyNames);
      await retireBodies(io, key, readDropped(reply.slice(2)), budget.retired);
      trimmer.afterCommit(partition);
    }
    return word;
  };
}
