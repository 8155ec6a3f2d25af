/** The state of migrations on Redis, and what each node says of itself. */
import {
  type Authority,
  type Migrations,
  type MigrationPhase,
  type MigrationReading,
  type NodeView,
  viewMs,
} from "@sticky-proxy/core/mirror";
import { defineScript, newCall, replyText, runScript } from "../redis/scripts.ts";
import { serverTime } from "../redis/redis.ts";
import { asStore, type MirrorStoreDeps } from "./io.ts";

export const migrationChangeScript = defineScript({
  name: "migration-change",
  file: new URL("./migration-change.lua", import.meta.url),
  keys: ["migration"],
  args: ["service", "call", "deed", "epoch", "token", "authority", "phase", "ms"],
});

/** How long a node's word is kept. */
const keepViewsMs = 60_000;

interface Deed {
  readonly deed: "phase" | "raise" | "flip" | "lift";
  readonly epoch?: number;
  readonly token?: string;
  readonly authority?: Authority;
  readonly phase?: MigrationPhase;
  readonly ms?: number;
}

/** @throws StoreUnavailable from every method */
export function createMigrations({ writes, reads, keys }: MirrorStoreDeps): Migrations {
  const stateKey = (service: string): string => keys.meta(`migration:${service}`);
  const viewsKey = (service: string): string => keys.meta(`migration-views:${service}`);
  /** A node's last word, which its next one replaces. */
  const said = new Map<string, string>();

  async function change(service: string, deed: Deed): Promise<"changed" | "stale"> {
    const [word] = await asStore(
      runScript(writes, migrationChangeScript, {
        keys: { migration: stateKey(service) },
        args: {
          service,
          call: newCall(),
          deed: deed.deed,
          epoch: deed.epoch ?? 0,
          token: deed.token ?? "",
          authority: deed.authority ?? "",
          phase: deed.phase ?? "",
          ms: deed.ms ?? 0,
        },
      }),
    );
    return replyText(word) as "changed" | "stale";
  }

  return {
    async read(service) {
      // The time is read behind the state, so that a barrier is never told to stand for longer than it does.
      const state = await asStore(reads.hgetall(stateKey(service)));
      const now = await asStore(serverTime(reads));
      return readingOf(state, now);
    },
    async report(service, { node, barrier, writes: count }) {
      const key = viewsKey(service);
      const now = await asStore(serverTime(reads));
      const member = JSON.stringify([node, barrier, count]);
      const place = `${service} ${node}`;
      const last = said.get(place);
      said.set(place, member);
      await asStore(
        Promise.all([
          ...(last === undefined || last === member ? [] : [writes.zrem(key, last)]),
          writes.zadd(key, now, member),
          writes.zremrangebyscore(key, "-inf", now - keepViewsMs),
          writes.pexpire(key, keepViewsMs),
        ]),
      );
    },
    async leave(service, node) {
      const last = said.get(`${service} ${node}`);
      if (last !== undefined) await asStore(writes.zrem(viewsKey(service), last));
    },
    async views(service) {
      const now = await asStore(serverTime(reads));
      const flat = await asStore(
        reads.zrange(viewsKey(service), now - keepViewsMs, "+inf", "BYSCORE", "WITHSCORES"),
      );
      const views = new Map<string, NodeView>();
      for (let i = 0; i + 1 < flat.length; i += 2) {
        const [node, barrier, count] = JSON.parse(flat[i]!) as [string, string, number];
        // The newest of a node is the last.
        views.set(node, { node, barrier, writes: count, ageMs: Math.max(0, now - Number(flat[i + 1])) });
      }
      return [...views.values()];
    },
    setPhase: (service, epoch, next) => change(service, { deed: "phase", epoch, ...next }),
    raise: (service, epoch, token, ms) => change(service, { deed: "raise", epoch, token, ms }),
    flip: (service, epoch, token, next) =>
      change(service, { deed: "flip", epoch, token, ...next, ms: 2 * viewMs }),
    async lift(service, token) {
      await change(service, { deed: "lift", token });
    },
  };
}

/** Fields that an unchanged migration does not have yet. */
function readingOf(held: Readonly<Record<string, string>>, now: number): MigrationReading {
  const { epoch, authority, phase, since, barrier, until } = held;
  const left = until === undefined ? 0 : Number(until) - now;
  return {
    state:
      epoch === undefined
        ? null
        : {
            epoch: Number(epoch),
            authority: authority as Authority,
            phase: phase as MigrationPhase,
            since: Number(since),
          },
    barrier: barrier === undefined || left <= 0 ? null : { token: barrier, remainingMs: left },
  };
}
