/** Which alerts of the mirror are on, and when each was told: shared, so that a new leader tells nothing twice. */
import type { KnownAlert } from "@sticky-proxy/core/mirror";
import { asStore, type MirrorStoreDeps } from "./io.ts";

export interface KnownAlerts {
  /** @throws StoreUnavailable, as all of these */
  read(): Promise<ReadonlyMap<string, KnownAlert>>;
  write(name: string, known: KnownAlert): Promise<void>;
  forget(name: string): Promise<void>;
}

export function createKnownAlerts({ writes, reads, keys }: MirrorStoreDeps): KnownAlerts {
  const key = keys.meta("mirror-alerts");
  return {
    async read() {
      const all = await asStore(reads.hgetall(key));
      return new Map(Object.entries(all).map(([name, json]) => [name, JSON.parse(json) as KnownAlert]));
    },
    async write(name, known) {
      await asStore(writes.hset(key, name, JSON.stringify(known)));
    },
    async forget(name) {
      await asStore(writes.hdel(key, name));
    },
  };
}
