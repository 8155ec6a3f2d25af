/** Notices of ended fetches on other nodes, by sharded pub/sub: only a hint, so a waiting node also polls. */
import type { FlightNotice, FlightWatch } from "@sticky-proxy/core/cache";
import type { CacheKeys } from "./keys.ts";
import type { Connection } from "../redis/redis.ts";

export interface FlightNotices {
  watch(key: string, flight: string): Promise<FlightWatch>;
}

const words: ReadonlySet<string> = new Set(["stored", "not-storable", "failed"]);

export function createFlightNotices(subscriber: Connection, keys: CacheKeys): FlightNotices {
  const listeners = new Map<string, Set<(notice: FlightNotice) => void>>();
  const subscribed = new Map<string, Promise<unknown>>();

  subscriber.on("smessage", (channel: string, message: string) => {
    if (!subscribed.has(channel)) return;
    const space = message.lastIndexOf(" ");
    const word = message.slice(space + 1);
    if (!words.has(word)) return;
    for (const tell of listeners.get(message.slice(0, space)) ?? []) tell(word as FlightNotice);
  });

  /** One subscription per partition, made at its first use and kept. */
  async function subscribe(channel: string): Promise<void> {
    const known = subscribed.get(channel);
    if (known !== undefined) {
      await known;
      return;
    }
    const made = subscriber.ssubscribe(channel);
    subscribed.set(channel, made);
    try {
      await made;
    } catch (error) {
      subscribed.delete(channel);
      throw error;
    }
  }

  return {
    async watch(key, flight) {
      const name = `${key}:${flight}`;
      const { promise, resolve } = Promise.withResolvers<FlightNotice>();
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set);
      set.add(resolve);
      const close = (): void => {
        set.delete(resolve);
        if (set.size === 0 && listeners.get(name) === set) listeners.delete(name);
      };
      try {
        await subscribe(keys.notices(keys.partitionOf(key)));
      } catch (error) {
        close();
        throw error;
      }
      return { notice: promise, close };
    },
  };
}
