/** Bytes of stored responses: of each partition, and of one holder. */
import type { Clock } from "@sticky-proxy/protocol";
import { allPartitions, type CacheIo } from "./io.ts";

export interface HeldBytes {
  /** By partition. Rejects when the store does not answer. */
  ofPartitions(): Promise<number[]>;
  /** At most a second old; 0 when the store does not answer. */
  of(holder: string): Promise<number>;
}

const ageMs = 1000;
const maxRemembered = 1000;

export function createHeldBytes(
  { reads, keys, guard }: Pick<CacheIo, "reads" | "keys" | "guard">,
  clock: Pick<Clock, "monotonic">,
): HeldBytes {
  const known = new Map<string, { readonly at: number; readonly bytes: Promise<number> }>();

  function ofPartitions(field: string): Promise<number[]> {
    return guard.run(async () => {
      const sums = await Promise.all(allPartitions(keys).map((p) => reads.hget(keys.sizes(p), field)));
      return sums.map((sum) => Number(sum ?? 0));
    });
  }

  return {
    ofPartitions: () => ofPartitions("#"),
    of(holder) {
      const recent = known.get(holder);
      if (recent !== undefined && clock.monotonic() - recent.at < ageMs) return recent.bytes;
      const bytes = ofPartitions(`#${holder}`).then(
        (sums) => sums.reduce((sum, size) => sum + size, 0),
        () => 0,
      );
      known.delete(holder);
      known.set(holder, { at: clock.monotonic(), bytes });
      if (known.size > maxRemembered) known.delete(known.keys().next().value!);
      return bytes;
    },
  };
}
