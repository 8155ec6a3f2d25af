/**
 * Tells this node that processes changed, on whichever replica. One sharded channel per partition, subscribed at its
 * first use and kept. At most once: a notice may be lost, so waiters look again from time to time, and are told to look
 * whenever a subscription comes (back) into being.
 */
import type { Changes, ProcessRef } from "@sticky-proxy/core/process";
import { parseProcessId } from "@sticky-proxy/protocol";
import type { Keys } from "../keys.ts";
import type { Connection } from "../redis/redis.ts";

export interface ChangeNotice extends ProcessRef {
  readonly version: number;
  /** A process's status, or "purged". */
  readonly status: string;
}

export interface RedisChanges extends Changes {
  /** Every change in every partition. */
  watchAll(onChange: (notice: ChangeNotice) => void): { close(): void };
  /** false: notices may be missed right now. */
  isLive(): boolean;
  /** Told when that changes; a cache fed by notices empties itself at false. */
  onLive(listener: (isLive: boolean) => void): { close(): void };
}

export interface ChangesOptions {
  readonly subscriber: Connection;
  readonly keys: Keys;
  readonly partitions: number;
}

export function createChanges({ subscriber, keys, partitions }: ChangesOptions): RedisChanges {
  const watchers = new Map<string, Set<() => void>>();
  const all = new Set<(notice: ChangeNotice) => void>();
  const liveListeners = new Set<(isLive: boolean) => void>();
  const wanted = new Set<number>();
  const subscribed = new Set<number>();
  const partitionOfChannel = new Map<string, number>();
  let wasLive = false;

  function tellLive(): void {
    const isLive = subscriber.status === "ready" && subscribed.size === wanted.size;
    if (isLive === wasLive) return;
    wasLive = isLive;
    for (const listener of liveListeners) listener(isLive);
  }
  function wakePartition(partition: number): void {
    const prefix = `${partition}.`;
    for (const [place, set] of watchers) if (place.startsWith(prefix)) for (const onChange of set) onChange();
  }
  async function subscribe(partition: number): Promise<void> {
    const channel = keys.changes(partition);
    partitionOfChannel.set(channel, partition);
    try {
      await subscriber.ssubscribe(channel);
    } catch {
      return; // the next `ready` subscribes everything that is wanted
    }
    subscribed.add(partition);
    wakePartition(partition); // what changed before the subscription stood was not heard
    tellLive();
  }
  function want(partition: number): void {
    if (wanted.has(partition)) return;
    wanted.add(partition);
    tellLive();
    if (subscriber.status === "ready") void subscribe(partition);
  }

  subscriber.on("ready", () => {
    for (const partition of wanted) void subscribe(partition);
    tellLive();
  });
  subscriber.on("close", () => {
    subscribed.clear();
    tellLive();
  });
  subscriber.on("smessage", (channel: string, message: string) => {
    if (!partitionOfChannel.has(channel)) return;
    const notice = noticeOf(message);
    if (notice === null) return;
    for (const onChange of watchers.get(`${notice.partition}.${notice.scope}`) ?? []) onChange();
    for (const onChange of all) onChange(notice);
  });

  return {
    watch({ partition, scope }, onChange) {
      const place = `${partition}.${scope}`;
      const set = watchers.get(place) ?? new Set();
      watchers.set(place, set);
      set.add(onChange);
      want(partition);
      return {
        close() {
          set.delete(onChange);
          if (set.size === 0 && watchers.get(place) === set) watchers.delete(place);
        },
      };
    },
    watchAll(onChange) {
      all.add(onChange);
      for (let partition = 0; partition < partitions; partition += 1) want(partition);
      return { close: () => void all.delete(onChange) };
    },
    isLive: () => wasLive,
    onLive(listener) {
      liveListeners.add(listener);
      return { close: () => void liveListeners.delete(listener) };
    },
  };
}

/** "id:version:status"; null for anything else. */
function noticeOf(message: string): ChangeNotice | null {
  const [id, version, status] = message.split(":");
  const ref = parseProcessId(id ?? "");
  if (ref === null || version === undefined || status === undefined) return null;
  return { ...ref, version: Number(version), status };
}
