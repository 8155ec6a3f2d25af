/**
 * Whether Redis may have lost claims. A fence below a known one proves it; another run or replication id
 * makes it possible. For a while after that, scopes without a record are not claimed, because a lost process may still run.
 * Processes with a record continue: replays, polls, callbacks, renewals.
 */
import type { Clock } from "@sticky-proxy/protocol";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { parseInfo } from "./info.ts";
import type { Profile } from "./profile.ts";

export interface Incarnation {
  /** Records a fence from a reply of the store. */
  sawFence(partition: number, fence: number): void;
  /** false: scopes without a record must not be claimed. Checks first when the connection was lost. */
  mayClaim(): Promise<boolean>;
  /** Checks now. Run every 10 s. */
  check(): Promise<void>;
  /** ms until claiming is allowed again; 0: it is. */
  pausedMs(): number;
}

export interface IncarnationOptions {
  readonly redis: RedisConnections;
  readonly keys: Keys;
  readonly profile: Profile;
  /** Largest lease in use; the pause is min(leaseMs, 30 s). */
  readonly leaseMs: number;
  readonly clock: Pick<Clock, "monotonic">;
  readonly onPause: (why: "data-lost" | "another-server", ms: number) => void;
}

const maxPauseMs = 30_000;

export function createIncarnation(options: IncarnationOptions): Incarnation {
  const { redis, keys, profile, leaseMs, clock, onPause } = options;
  const highest = new Map<number, number>();
  let server: string | null = null;
  let pausedUntil = -Infinity;
  let looking: Promise<void> | null = null;
  let hasLooked = true;
  redis.writes.on("ready", () => (hasLooked = false));

  function pause(why: "data-lost" | "another-server"): void {
    const ms = Math.min(leaseMs, maxPauseMs);
    pausedUntil = clock.monotonic() + ms;
    onPause(why, ms);
  }
  async function look(): Promise<void> {
    const seen = [...highest];
    const [info, ...stored] = await Promise.all([
      redis.isCluster ? "" : redis.writes.info("everything"),
      ...seen.map(([partition]) => redis.writes.get(keys.fence(partition))),
    ]);
    const fields = parseInfo(info);
    const found = `${fields.get("run_id") ?? ""} ${fields.get("master_replid") ?? ""}`;
    const isLost = seen.some(([, fence], i) => Number(stored[i] ?? 0) < fence);
    const isOther = server !== null && server !== found;
    server = found;
    hasLooked = true;
    if (profile === "ha+quorum") return; // redlock answers instead
    if (isLost) {
      for (const [partition] of seen) highest.delete(partition); // said once
      pause("data-lost");
    } else if (isOther && profile === "ha") pause("another-server");
  }
  async function check(): Promise<void> {
    looking ??= look().finally(() => (looking = null));
    await looking;
  }
  return {
    sawFence(partition, fence) {
      if (fence > (highest.get(partition) ?? 0)) highest.set(partition, fence);
    },
    async mayClaim() {
      if (!hasLooked) await check();
      return clock.monotonic() >= pausedUntil;
    },
    check,
    pausedMs: () => Math.max(0, pausedUntil - clock.monotonic()),
  };
}
