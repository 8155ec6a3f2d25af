/** What is known of an order key: its pending and parked intents, and how its entries were settled. */
import type { CoverageOutcome, Outbox, ParkedKey, ParkReason } from "@sticky-proxy/core/mirror";
import { listEntry, splitMember } from "./entries.ts";
import { allPartitions, asStore, type MirrorIo } from "./io.ts";

/** @throws StoreUnavailable from every method */
export function createOrderKeys({
  reads,
  keys,
  partitions,
}: MirrorIo): Pick<Outbox, "parkedHead" | "keyState" | "settledAs" | "parkedKeys"> {
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
        "skip",
        "skipBy",
        "skipWhy",
      ),
      reads.llen(keys.parkedList(partition, orderKey)),
    ]);
    const [service, reason, parkedAt, nextAt, attempts, error, ageFrom, skip, by, why] = fields;
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
      skip: skip == null ? null : { entryId: skip, by: by ?? "", why: why ?? "" },
    };
  }

  return {
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

    async parkedKeys({ limit }) {
      const members = await asStore(
        Promise.all(
          allPartitions(partitions).map(async (p) => ({
            p,
            list: await reads.zrange(keys.parked(p), 0, limit - 1),
          })),
        ),
      );
      const found = members.flatMap(({ p, list }) => list.map((member) => ({ p, member }))).slice(0, limit);
      const parked = await asStore(
        Promise.all(found.map(({ p, member }) => readParked(p, splitMember(member).orderKey))),
      );
      return parked.filter((key) => key !== null);
    },
  };
}
