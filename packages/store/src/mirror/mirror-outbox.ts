/** The outbox port on Redis: streams per partition, one script per step (scripts/mirror-*.lua say why). */
import {
  type CoverageOutcome,
  type Gap,
  type Outbox,
  type ParkedKey,
  type ParkReason,
  bounded,
  coverageWindow,
  groupPaths,
  orderKeyPartition,
} from "@sticky-proxy/core/mirror";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { listEntry, splitMember, streamEntry } from "./mirror-entries.ts";
import { createMirrorKeys } from "./mirror-keys.ts";
import { sumLags } from "./mirror-lag.ts";
import {
  ackScript,
  appendScript,
  claimScript,
  gapScript,
  lagScript,
  parkScript,
  peekScript,
  settleScript,
  tidyScript,
  unparkScript,
} from "./mirror-scripts.ts";
import type { Keys } from "../keys.ts";
import type { Connection } from "../redis/redis.ts";
import { newCall, replyList, replyNumber, replyText, runScript } from "../redis/scripts.ts";

export interface MirrorStoreDeps {
  readonly writes: Connection;
  readonly reads: Connection;
  readonly keys: Keys;
  readonly partitions: number;
}

/** How long hourly sums are kept, and a diverged key is remembered. */
export const mirrorKeepMs = 8 * 86_400_000;

/** Between the parts of a counter's name; cannot stand in names from a configuration or a path. */
export const separator = "\u001f";

export function counterName(service: string, route: string, name: string): string {
  return [service, route, name].map((part) => part.replaceAll(separator, " ")).join(separator);
}

/** Every failure of the client means: no answer, or a refusal by the server. */
export async function asStore<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new StoreUnavailable("mirror store", { cause: error });
  }
}

/** @throws StoreUnavailable from every method. */
export function createMirrorOutbox(deps: MirrorStoreDeps): Outbox {
  const { writes, reads, partitions } = deps;
  const keys = createMirrorKeys(deps.keys);
  const place = (orderKey: string): number => orderKeyPartition(orderKey, partitions);

  return {
    partitions,

    async append(intent, { validUntil }) {
      const p = place(intent.orderKey);
      const [word] = await asStore(
        runScript(writes, appendScript, {
          keys: {
            stream: keys.intents(p),
            state: keys.keyState(p, intent.orderKey),
            load: keys.load(p),
            counters: keys.counters(p, intent.window),
          },
          args: {
            orderKey: intent.orderKey,
            call: newCall(),
            validUntil: validUntil === null ? "" : Math.ceil(validUntil),
            intent: JSON.stringify(intent),
            service: intent.service,
            bytes: intent.bodyBytes,
            eligible: counterName(intent.service, intent.route, "eligible"),
            keepMs: mirrorKeepMs,
          },
        }),
      );
      return replyText(word) as "appended" | "late";
    },

    async noteGap(gap, counted) {
      const p = place(gapPlace(gap));
      await asStore(
        runScript(writes, gapScript, {
          keys: { gaps: keys.gaps(p), counters: keys.counters(p, coverageWindow(gap.from)) },
          args: {
            service: gap.service,
            call: newCall(),
            gap: JSON.stringify(gap),
            eligible: counterName(gap.service, gap.route, "eligible"),
            skipped: counterName(gap.service, gap.route, `skipped:${gap.reason}`),
            count: counted,
            keepMs: mirrorKeepMs,
          },
        }),
      );
    },

    async gaps({ limit }) {
      const lists = await asStore(
        Promise.all(all(partitions).map((p) => reads.xrevrange(keys.gaps(p), "+", "-", "COUNT", limit))),
      );
      return lists
        .flat()
        .map(([, fields]) => JSON.parse(fields[1]!) as Gap)
        .sort((a, b) => b.to - a.to)
        .slice(0, limit);
    },

    async claim(partition) {
      const [fence] = await asStore(
        runScript(writes, claimScript, {
          keys: { owner: keys.owner(partition) },
          args: { partition, call: newCall() },
        }),
      );
      return replyNumber(fence);
    },

    async peek(partition, { after, limit }) {
      const [now, entries, due] = await asStore(
        runScript(reads, peekScript, {
          keys: { stream: keys.intents(partition), parked: keys.parked(partition) },
          args: { partition, call: newCall(), after: after ?? "", limit },
        }),
      );
      return {
        now: replyNumber(now),
        entries: replyList(entries).map(streamEntry),
        due: replyList(due).map((member) => splitMember(replyText(member)!).orderKey),
      };
    },

    async parkedHead(partition, orderKey) {
      const [key, [first, second]] = await asStore(
        Promise.all([
          readParked(partition, orderKey),
          reads.lrange(keys.parkedList(partition, orderKey), 0, 1),
        ]),
      );
      if (key === null) return null;
      return { key, head: first ? listEntry(first) : null, next: second ? listEntry(second) : null };
    },

    async keyState(partition, orderKey) {
      const [pending, pendingFrom, parkedAt, diverged, lastEndedAt] = await asStore(
        reads.hmget(
          keys.keyState(partition, orderKey),
          "pending",
          "pendingFrom",
          "parkedAt",
          "diverged",
          "lastEndedAt",
        ),
      );
      const isPending = Number(pending ?? 0) > 0;
      return {
        pending: Number(pending ?? 0),
        pendingFrom: isPending ? Number(pendingFrom ?? 0) : null,
        parked: parkedAt != null,
        diverged: diverged != null,
        lastEndedAt: lastEndedAt == null ? null : Number(lastEndedAt),
      };
    },

    async settledAs(partition, entryId) {
      return (await asStore(reads.hget(keys.settled(partition), entryId))) as CoverageOutcome | null;
    },

    async settle(partition, owner, entry, settlement) {
      const { outcome, diverged, endedAt, limits } = settlement;
      const difference = settlement.difference === null ? null : bounded(settlement.difference);
      const groups =
        difference === null
          ? []
          : groupPaths(difference).map((path) =>
              [counterName(entry.service, entry.route, difference.class), path].join(separator),
            );
      const [word] = await asStore(
        runScript(writes, settleScript, {
          keys: settleKeys(keys, partition, entry.window, entry.orderKey),
          args: {
            entryId: entry.entryId,
            call: newCall(),
            fence: fenceText(owner),
            counter: counterName(entry.service, entry.route, ""),
            outcome,
            count: 1,
            diverged: diverged ? 1 : 0,
            endedAt: endedAt === null ? "" : endedAt,
            record: difference === null ? "" : JSON.stringify(difference),
            groups: JSON.stringify(groups),
            ttlMs: limits.ttlMs,
            most: limits.maxDifferences,
            keepMs: mirrorKeepMs,
          },
        }),
      );
      return replyText(word) as "settled" | "known" | "lost";
    },

    async ack(partition, owner, entry) {
      const [word] = await asStore(
        runScript(writes, ackScript, {
          keys: {
            owner: keys.owner(partition),
            stream: keys.intents(partition),
            settled: keys.settled(partition),
            state: keys.keyState(partition, entry.orderKey),
            list: keys.parkedList(partition, entry.orderKey),
            parked: keys.parked(partition),
            since: keys.parkedSince(partition),
            load: keys.load(partition),
          },
          args: {
            entryId: entry.entryId,
            call: newCall(),
            fence: fenceText(owner),
            member: `${entry.orderKey}|${entry.service}`,
            service: entry.service,
            bytes: entry.bodyBytes,
            keepMs: mirrorKeepMs,
          },
        }),
      );
      return replyText(word) as "acked" | "unsettled" | "lost";
    },

    async park(partition, owner, orderKey, entries, parking) {
      const [word] = await asStore(
        runScript(writes, parkScript, {
          keys: {
            owner: keys.owner(partition),
            stream: keys.intents(partition),
            list: keys.parkedList(partition, orderKey),
            state: keys.keyState(partition, orderKey),
            parked: keys.parked(partition),
            since: keys.parkedSince(partition),
            load: keys.load(partition),
          },
          args: {
            orderKey,
            call: newCall(),
            fence: fenceText(owner),
            member: `${orderKey}|${parking?.service ?? ""}`,
            service: parking?.service ?? "",
            reason: parking?.reason ?? "",
            inMs: parking === null || parking.inMs === null ? "" : Math.round(parking.inMs),
            error: parking?.error.slice(0, 200) ?? "",
            attempts: parking?.attempts ?? 0,
          },
          moreArgs: entries.map((entry) => entry.entryId),
        }),
      );
      return replyText(word) as "parked" | "lost";
    },

    async unpark(partition, orderKey) {
      const [word] = await asStore(
        runScript(writes, unparkScript, {
          keys: { state: keys.keyState(partition, orderKey), parked: keys.parked(partition) },
          args: { orderKey, call: newCall() },
        }),
      );
      return replyText(word) as "unparked" | "not-parked";
    },

    async parkedKeys({ limit }) {
      const members = await asStore(
        Promise.all(
          all(partitions).map(async (p) => ({ p, list: await reads.zrange(keys.parked(p), 0, limit - 1) })),
        ),
      );
      const found = members.flatMap(({ p, list }) => list.map((member) => ({ p, member }))).slice(0, limit);
      const parked = await asStore(
        Promise.all(found.map(({ p, member }) => readParked(p, splitMember(member).orderKey))),
      );
      return parked.filter((key) => key !== null);
    },

    async lag() {
      const replies = await asStore(
        Promise.all(
          all(partitions).map((partition) =>
            runScript(reads, lagScript, {
              keys: {
                stream: keys.intents(partition),
                load: keys.load(partition),
                since: keys.parkedSince(partition),
              },
              args: { partition, call: newCall() },
            }),
          ),
        ),
      );
      return sumLags(replies);
    },

    async tidy(partition) {
      await asStore(
        runScript(writes, tidyScript, {
          keys: {
            records: keys.records(partition),
            byTime: keys.byTime(partition),
            byEnd: keys.byEnd(partition),
          },
          args: { partition, call: newCall() },
        }),
      );
    },
  };

  async function readParked(partition: number, orderKey: string): Promise<ParkedKey | null> {
    const [fields, entries] = await Promise.all([
      reads.hmget(
        keys.keyState(partition, orderKey),
        "service",
        "reason",
        "parkedAt",
        "nextAt",
        "attempts",
        "error",
        "ageFrom",
      ),
      reads.llen(keys.parkedList(partition, orderKey)),
    ]);
    const [service, reason, parkedAt, nextAt, attempts, error, ageFrom] = fields;
    if (service == null) return null;
    return {
      partition,
      orderKey,
      service,
      reason: reason as ParkReason,
      parkedAt: Number(parkedAt),
      nextAt: nextAt == null || nextAt === "inf" ? null : Number(nextAt),
      attempts: Number(attempts),
      entries,
      error: error ?? "",
      ageFrom: ageFrom == null ? null : Number(ageFrom),
    };
  }
}

export function settleKeys(
  keys: ReturnType<typeof createMirrorKeys>,
  partition: number,
  window: number,
  orderKey: string,
) {
  return {
    owner: keys.owner(partition),
    settled: keys.settled(partition),
    counters: keys.counters(partition, window),
    state: keys.keyState(partition, orderKey),
    records: keys.records(partition),
    byTime: keys.byTime(partition),
    byEnd: keys.byEnd(partition),
    sums: keys.sums(partition, window),
  };
}

export function all(partitions: number): number[] {
  return Array.from({ length: partitions }, (_, p) => p);
}

/** Gaps have no order key: they stand where their service's name leads. */
function gapPlace(gap: Gap): string {
  return Buffer.from(gap.service.padEnd(4)).toString("base64url");
}

/** Fences are above 1e14: never in exponent form. */
function fenceText(owner: number): string {
  return owner.toFixed(0);
}
