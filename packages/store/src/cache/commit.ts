/** Makes a response visible once its body is complete (C1), unless it was purged since its fetch began (C2). */
import { type CacheStore, type Committed, outdatedVariant } from "@sticky-proxy/core/cache";
import { defineScript, newCall, replyNumber, replyText, runScript } from "../redis/scripts.ts";
import { chunkBytes, chunkKeys, retireBodies } from "./body.ts";
import { packMetadata, readDropped } from "./entry.ts";
import type { CacheIo } from "./io.ts";
import type { VaryGuesses } from "./lookup.ts";
import type { MemoryLimit } from "./memory.ts";
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
  ],
});

export interface CommitDeps {
  readonly memory: Pick<MemoryLimit, "isFull">;
  readonly trimmer: Trimmer;
  readonly guesses: VaryGuesses;
}

/** @throws CacheUnavailable */
export function createCommit(io: CacheIo, { memory, trimmer, guesses }: CommitDeps): CacheStore["commit"] {
  const { writes, keys, guard } = io;
  return async function commit(options) {
    const { lease, metadata, replaces, maxVariants } = options;
    const { key, flight, token } = lease;
    if (await memory.isFull()) return "store-full";
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
          metadata: packMetadata(metadata),
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
        },
      }),
    );
    const word = replyText(reply[0]) as Committed;
    if (word === "stored") {
      guesses.set(key, metadata.varyNames);
      await retireBodies(writes, keys, key, readDropped(reply.slice(2)));
      trimmer.afterCommit(partition, replyNumber(reply[1]));
    }
    return word;
  };
}
