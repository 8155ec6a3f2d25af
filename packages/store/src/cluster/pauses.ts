/** The pauses that services asked for, shared by replicas: of a whole service, and of single callers of one. */
import type { Keys } from "../keys.ts";
import { type RedisConnections, serverTime } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";

export interface Pause {
  readonly service: string;
  /** null: the service, for all. */
  readonly caller: string | null;
  readonly ms: number;
}

export interface Pauses {
  /** Nobody, or not this caller, sends to the service for `ms`; a longer pause that stands is kept. */
  pause(service: string, caller: string | null, ms: number): Promise<void>;
  /** What is paused of the services, and for how long still. */
  pauses(services: readonly string[]): Promise<readonly Pause[]>;
}

/** Paused callers of one service that replicas tell each other; beyond it those whose pause ends first are left out. */
const maxPausedCallers = 1000;

/** @throws StoreUnavailable */
export function createPauses({ reads, writes }: RedisConnections, keys: Keys): Pauses {
  async function pauseService(service: string, span: number): Promise<void> {
    const key = keys.meta(`pause:${service}`);
    await Promise.all([
      writes.set(key, "1", "PX", span, "NX"),
      writes.pexpire(key, span, "GT"), // one connection keeps the order
    ]);
  }

  async function pauseCaller(service: string, caller: string, span: number): Promise<void> {
    const key = keys.meta(`pauses:${service}`);
    const now = await serverTime(reads);
    await Promise.all([
      writes.zadd(key, "GT", now + span, caller),
      writes.zremrangebyscore(key, "-inf", now),
      writes.zremrangebyrank(key, 0, -maxPausedCallers - 1),
      writes.pexpire(key, span, "NX"),
      writes.pexpire(key, span, "GT"),
    ]);
  }

  async function pausesOf(service: string, now: number): Promise<Pause[]> {
    const [ms, flat] = await Promise.all([
      reads.pttl(keys.meta(`pause:${service}`)),
      reads.zrange(keys.meta(`pauses:${service}`), `(${now}`, "+inf", "BYSCORE", "WITHSCORES"),
    ]);
    const callers = Array.from({ length: flat.length / 2 }, (_, i) => ({
      service,
      caller: flat[2 * i]!,
      ms: Number(flat[2 * i + 1]) - now,
    }));
    return ms > 0 ? [{ service, caller: null, ms }, ...callers] : callers;
  }

  return {
    async pause(service, caller, ms) {
      const span = Math.max(1, Math.ceil(ms));
      try {
        await (caller === null ? pauseService(service, span) : pauseCaller(service, caller, span));
      } catch (cause) {
        throw unavailable("pause", cause);
      }
    },
    async pauses(services) {
      try {
        const now = await serverTime(reads);
        return (await Promise.all(services.map((service) => pausesOf(service, now)))).flat();
      } catch (cause) {
        throw unavailable("pauses", cause);
      }
    },
  };
}
