/**
 * Whether Redis may have lost claims. A fence below a known one proves it; another run or replication id makes it
 * possible. For a while after that, scopes without a record are not claimed, because a lost process may still run.
 * Processes with a record continue: replays, polls, callbacks, renewals.
 *
 * In `ha` nothing is sent before its claim is confirmed, so only confirmed writes count: another server that has all
 * of this node's has forgotten nothing of it. Other nodes look after theirs, and say so in the store within `objectionMs`:
 * so long new claims pause, and for a lease where somebody objects.
 */
import type { Clock } from "@sticky-proxy/protocol";
import type { Keys } from "../keys.ts";
import { mastersOf, type RedisConnections } from "../redis/redis.ts";
import type { DurabilityGate } from "./durability.ts";
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
  /** Of the `ha` profiles; null or absent: there is none. */
  readonly gate?: Pick<DurabilityGate, "hasForgotten"> | null;
}

const maxPauseMs = 30_000;
/** In this time every node has found the new server, and looked whether it has what was confirmed to it. */
const objectionMs = 1500;

export function createIncarnation(options: IncarnationOptions): Incarnation {
  const { redis, keys, profile, clock, onPause, gate = null } = options;
  const pauseMs = Math.min(options.leaseMs, maxPauseMs);
  const highest = new Map<number, number>();
  let server: string | null = null;
  let pausedUntil = -Infinity;
  let looking: Promise<void> | null = null;
  let hasLooked = true;
  let mayBeObjected = false;
  /** With a gate at once, claims or not: the other nodes wait for this one's objection. */
  function mayBeOther(): void {
    hasLooked = false;
    if (gate !== null) check().catch(() => {}); // the next claim looks again
  }
  redis.writes.on("ready", mayBeOther);
  if (redis.writes.status === "ready") mayBeOther(); // the first look: the others are compared with it
  if (redis.isCluster) redis.writes.on("refresh", mayBeOther); // the slots' owners were read again

  function pause(why: "data-lost" | "another-server", ms: number): void {
    const until = clock.monotonic() + ms;
    if (until <= pausedUntil) return;
    pausedUntil = until;
    onPause(why, ms);
  }
  async function look(): Promise<void> {
    const seen = profile.startsWith("ha") ? [] : [...highest];
    const [infos, ...stored] = await Promise.all([
      Promise.all(mastersOf(redis.writes).map((node) => node.info("everything"))),
      ...seen.map(([partition]) => redis.writes.get(keys.fence(partition))),
    ]);
    const found = infos.map(identityOf).sort().join();
    const isLost = seen.some(([, fence], i) => Number(stored[i] ?? 0) < fence);
    const isOther = server !== null && server !== found;
    // Only another server can have forgotten; redlock answers where there is one.
    if (isOther && profile === "ha") await lookForOwn();
    server = found;
    hasLooked = true;
    if (isLost && profile !== "ha+quorum") {
      for (const [partition] of seen) highest.delete(partition); // said once
      pause("data-lost", pauseMs);
    }
  }
  async function lookForOwn(): Promise<void> {
    if ((await gate?.hasForgotten()) === true) {
      await redis.writes.set(keys.meta("forgotten"), "1", "PX", pauseMs);
      return pause("data-lost", pauseMs);
    }
    mayBeObjected = true;
    pause("another-server", gate === null ? pauseMs : Math.min(pauseMs, objectionMs));
  }
  /** Another node has missed what was confirmed to it. */
  async function hearObjections(): Promise<void> {
    const leftMs = await redis.writes.pttl(keys.meta("forgotten"));
    mayBeObjected = false;
    if (leftMs > 0) pause("data-lost", leftMs);
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
      if (clock.monotonic() < pausedUntil) return false;
      if (mayBeObjected) await hearObjections();
      return clock.monotonic() >= pausedUntil;
    },
    check,
    pausedMs: () => Math.max(0, pausedUntil - clock.monotonic()),
  };
}

/** Of one primary: unlike after a restart, and after a fail-over. */
function identityOf(info: string): string {
  const fields = parseInfo(info);
  return `${fields.get("run_id") ?? ""} ${fields.get("master_replid") ?? ""}`;
}
