/** The id map on Redis: one hash for each primary service, in the partition where its name leads. */
import type { IdMap, IdPair, IdPlace } from "@sticky-proxy/core/mirror";
import { asStore, servicePartition, type MirrorIo, type MirrorStoreDeps } from "./io.ts";
import { createMirrorKeys } from "./keys.ts";

const pageSize = 500;

/** @throws StoreUnavailable from every method */
export function createIdMap(deps: MirrorStoreDeps): IdMap {
  const io: MirrorIo = { ...deps, keys: createMirrorKeys(deps.keys) };
  const keyOf = (service: string): string => io.keys.ids(servicePartition(service, io.partitions), service);
  return {
    async lookUp(service, places) {
      if (places.length === 0) return [];
      return asStore(io.reads.hmget(keyOf(service), ...places.map(fieldOf)));
    },
    async learn(service, pairs) {
      if (pairs.length === 0) return;
      const fields = pairs.flatMap((pair) => [fieldOf(pair), pair.secondary]);
      await asStore(io.writes.hset(keyOf(service), ...fields));
    },
    async *pairs(service) {
      let cursor = "0";
      do {
        const [next, flat] = await asStore(io.reads.hscan(keyOf(service), cursor, "COUNT", pageSize));
        for (let i = 0; i + 1 < flat.length; i += 2) yield pairOf(flat[i]!, flat[i + 1]!);
        cursor = next;
      } while (cursor !== "0");
    },
  };
}

/** Paths and ids of paths have no blank. */
function fieldOf({ collection, id }: IdPlace): string {
  return `${collection} ${id}`;
}

function pairOf(field: string, secondary: string): IdPair {
  const at = field.indexOf(" ");
  return { collection: field.slice(0, at), id: field.slice(at + 1), secondary };
}
