/** The id map in memory: for unit tests, and for reading how the port is meant. */
import type { IdMap, IdPair, IdPlace } from "../mirror/id-map.ts";

export function createMemoryIdMap(): IdMap {
  const services = new Map<string, Map<string, IdPair>>();
  const nameOf = ({ collection, id }: IdPlace): string => JSON.stringify([collection, id]);
  return {
    async lookUp(service, places) {
      const known = services.get(service);
      return places.map((place) => known?.get(nameOf(place))?.secondary ?? null);
    },
    async learn(service, pairs) {
      const known = services.get(service) ?? new Map<string, IdPair>();
      services.set(service, known);
      for (const pair of pairs) known.set(nameOf(pair), pair);
    },
    async *pairs(service) {
      yield* services.get(service)?.values() ?? [];
    },
  };
}
