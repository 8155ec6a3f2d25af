/** Processes in Redis: each method of the port is one script on one partition's slot. */
import { asEpochMs, asFence, asMonotonicMs, type Clock } from "@sticky-proxy/protocol";
import {
  type Change,
  type CommitAnswer,
  type CreateAnswer,
  type Draft,
  type Lease,
  listOf,
  processId,
  type ProcessRecord,
  type ProcessStore,
  StoreUnavailable,
} from "@sticky-proxy/core/process";
import type { Incarnation } from "../cluster/incarnation.ts";
import type { Keys } from "../keys.ts";
import { decodeRequest, decodeResult, encodeRequest, encodeResult } from "./payload.ts";
import { createProcessIndexes } from "./process-indexes.ts";
import { processScripts } from "./process-scripts.ts";
import {
  changeWrites,
  draftWrites,
  type FieldWrites,
  newRecord,
  recordOf,
  writeArgs,
  writtenRecord,
} from "./record.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { createScriptSession } from "../redis/script-session.ts";
import { newCall, replyList, replyNumber } from "../redis/scripts.ts";
import { sharedReads } from "../redis/shared-reads.ts";
import { unavailable } from "../redis/unavailable.ts";

export interface ProcessStoreOptions {
  readonly redis: RedisConnections;
  readonly keys: Keys;
  /** From `openMeta`. */
  readonly partitions: number;
  /** Transitions kept per partition for timelines; default 2000. */
  readonly timelineLength?: number;
  /** After a jump of the server's clock nothing is taken over for this long; default 30 000. */
  readonly maxLeaseMs?: number;
  /** Default: performance.now. */
  readonly clock?: Pick<Clock, "monotonic">;
  /** Absent: claims never pause. */
  readonly incarnation?: Pick<Incarnation, "sawFence" | "mayClaim">;
  /** true: memory runs short, so nothing new is claimed; what has a record goes on. Absent: never. */
  readonly sheds?: () => boolean;
}

export interface RedisProcessStore extends ProcessStore {
  /** Creates without an answer that are still watched. */
  readonly unanswered: number;
  /** Looks after them now; resolves when this round has ended. */
  settleUnanswered(): Promise<void>;
}

export function createProcessStore(options: ProcessStoreOptions): RedisProcessStore {
  const { redis, keys, partitions, incarnation } = options;
  const cap = options.timelineLength ?? 2000;
  const session = createScriptSession({
    redis,
    clock: options.clock ?? { monotonic: () => asMonotonicMs(performance.now()) },
    read: (create) => read({ ...create, epoch: null }, { withResult: false }),
    commit: (base, change) => commit(base, change, { ifDue: false, writeId: newCall() }),
  });
  const { run, start, repeatOnce } = session;

  /** Why scopes without a record are not claimed right now; null: they are. */
  async function claimRefusal(): Promise<string | null> {
    if (options.sheds?.() === true) return "claims are shed: the store's memory runs short";
    if (incarnation === undefined) return null;
    try {
      return (await incarnation.mayClaim()) ? null : "claims pause: Redis may have forgotten some";
    } catch (cause) {
      throw unavailable("incarnation", cause);
    }
  }

  async function create(draft: Draft, { withResult }: { withResult: boolean }): Promise<CreateAnswer> {
    const { partition: p, scope, writeId } = draft;
    const writes = draftWrites(draft);
    const write = async (until: number) =>
      run(redis.writes, processScripts.create, {
        keys: {
          process: keys.process(p, scope, null),
          alarms: keys.alarms(p),
          fence: keys.fence(p),
          list: keys.list(p, draft.fields.service ?? "", draft.fields.status ?? "pending"),
          timeline: keys.timeline(p),
          result: keys.result(p, scope, null),
          request: keys.request(p, scope, null),
        },
        args: {
          scope,
          call: writeId,
          validUntil: until,
          withResult: withResult ? 1 : 0,
          stored: storedRequest(draft),
          entry: JSON.stringify(draft.entry),
          cap,
        },
        moreArgs: writeArgs(writes),
      });
    indexes.known(draft.fields.service ?? "");
    const refusal = await claimRefusal();
    if (refusal !== null) {
      const snapshot = await read({ partition: p, scope, epoch: null }, { withResult });
      if (snapshot.record !== null) return { ...snapshot, kind: "exists", record: snapshot.record };
      throw new StoreUnavailable(refusal);
    }
    try {
      let answer = await start({ partition: p, scope, writeId }, write);
      // It was answered, so the server's clock has moved against ours: now we know it again.
      if (answer.word === "late") answer = await start({ partition: p, scope, writeId }, write);
      if (answer.word === "late") return { kind: "late", now: answer.now };
      const isNew = answer.word === "created";
      const record = isNew
        ? newRecord(draft, writes, answer.now, asFence(replyNumber(answer.rest[0])))
        : recordOf(replyList(answer.rest[0]), p, scope)!;
      incarnation?.sawFence(p, record.fence);
      if (isNew) return { kind: "created", now: answer.now, record };
      const result = decodeResult(answer.rest[1], record.resultPayload);
      return { kind: "exists", now: answer.now, record, result };
    } catch (error) {
      if (!isMemoryFull(error)) throw error;
      // A full store starts nothing, but what it holds is still joined and replayed.
      const snapshot = await read({ partition: p, scope, epoch: null }, { withResult });
      if (snapshot.record === null) throw error;
      return { ...snapshot, kind: "exists", record: snapshot.record };
    }
  }

  const read = sharedReads(async ({ partition: p, scope, epoch }, { withResult }) => {
    const { now, rest } = await run(redis.reads, processScripts.read, {
      keys: {
        process: keys.process(p, scope, null),
        archived: keys.process(p, scope, epoch),
        result: keys.result(p, scope, null),
        archivedResult: keys.result(p, scope, epoch),
      },
      args: { scope, call: newCall(), epoch: epoch ?? "", withResult: withResult ? 1 : 0 },
    });
    const record = recordOf(replyList(rest[0]), p, scope);
    return { now, record, result: decodeResult(rest[1], record?.resultPayload ?? null) };
  });

  async function commit(
    base: ProcessRecord,
    change: Change,
    { ifDue, writeId }: { ifDue: boolean; writeId: string },
  ): Promise<CommitAnswer> {
    const { partition: p, scope } = base;
    const place = placeOf(base);
    const after = { ...base, ...change.set };
    const [from, to] = [listOf(base), listOf(after)];
    const id = change.set.resultPayload;
    if (change.result !== null && (id === undefined || id === null)) {
      throw new TypeError("a change with a result names it in set.resultPayload");
    }
    const writes = changeWrites(base, change, writeId);
    const answer = await repeatOnce(() =>
      run(redis.writes, processScripts.commit, {
        keys: {
          process: keys.process(p, scope, place),
          alarms: keys.alarms(p),
          fence: keys.fence(p),
          oldList: keys.list(p, base.service, base.status),
          newList: keys.list(p, after.service, after.status),
          deadLetters: keys.deadLetters(p),
          timeline: keys.timeline(p),
          changes: keys.changes(p),
          result: keys.result(p, scope, place),
          request: keys.request(p, scope, place),
        },
        args: {
          scope,
          call: writeId,
          epoch: base.epoch,
          version: base.version,
          ifDue: ifDue ? 1 : 0,
          mintFence: change.mintFence ? 1 : 0,
          member: memberOf(base),
          lists: from === to ? "stay" : from === null ? "join" : to === null ? "leave" : "move",
          stored: change.result === null ? "" : encodeResult(id!, change.result),
          drop: dropWord(change),
          notice: noticeOf(after, base.version + 1),
          entry: JSON.stringify(change.entry),
          cap,
          isDead: after.deadLetter !== null && change.set.deadLetter !== undefined ? 1 : 0,
        },
        moreArgs: writeArgs(writes),
      }),
    );
    if (answer.word === "committed") {
      const [minted, wakeAt] = answer.rest;
      const fence = change.mintFence ? asFence(replyNumber(minted)) : base.fence;
      const record = {
        ...writtenRecord(base, writes, answer.now, fence),
        wakeAt: wakeAt === null ? null : asEpochMs(replyNumber(wakeAt)),
      };
      incarnation?.sawFence(p, fence);
      return { kind: "committed", now: answer.now, record };
    }
    const record = recordOf(replyList(answer.rest[0]), p, scope);
    if (answer.word === "stale") {
      if (record?.epoch === base.epoch) return { kind: "stale", now: answer.now, record };
      // base's process was moved aside meanwhile (and its successor may be gone already), or is gone itself.
      return { kind: "stale", ...(await read(base, { withResult: false })) };
    }
    incarnation?.sawFence(p, record!.fence);
    const kind = answer.word === "repeated" ? "committed" : "not-due";
    return { kind, now: answer.now, record: record! };
  }

  async function supersede(base: ProcessRecord, closing: Change, draft: Draft): Promise<CommitAnswer> {
    const { partition: p, scope } = base;
    const { writeId } = draft;
    if (closing.result !== null || closing.mintFence) {
      throw new TypeError("a superseded process gets no result and no fence");
    }
    const closed = { ...base, ...closing.set };
    const closes: FieldWrites = { ...changeWrites(base, closing, writeId), minted: ["supersededBy"] };
    const writes = draftWrites(draft);
    indexes.known(draft.fields.service ?? "");
    const answer = await start({ partition: p, scope, writeId }, (until) =>
      run(redis.writes, processScripts.supersede, {
        keys: {
          process: keys.process(p, scope, null),
          archived: keys.process(p, scope, base.epoch),
          alarms: keys.alarms(p),
          fence: keys.fence(p),
          oldList: keys.list(p, base.service, base.status),
          closedList: keys.list(p, closed.service, closed.status),
          newList: keys.list(p, draft.fields.service ?? "", draft.fields.status ?? "pending"),
          deadLetters: keys.deadLetters(p),
          timeline: keys.timeline(p),
          changes: keys.changes(p),
          result: keys.result(p, scope, null),
          archivedResult: keys.result(p, scope, base.epoch),
          request: keys.request(p, scope, null),
          archivedRequest: keys.request(p, scope, base.epoch),
        },
        args: {
          scope,
          call: writeId,
          epoch: base.epoch,
          version: base.version,
          validUntil: until,
          listed: listOf(closed) === null ? 0 : 1,
          drop: dropWord(closing),
          stored: storedRequest(draft),
          notice: noticeOf(closed, base.version + 1),
          closingEntry: JSON.stringify(closing.entry),
          entry: JSON.stringify(draft.entry),
          cap,
        },
        moreArgs: [...writeArgs(closes), ...writeArgs(writes)],
      }),
    );
    if (answer.word === "late") {
      throw new StoreUnavailable("supersede arrived after its time limit and did nothing");
    }
    if (answer.word === "stale") {
      return { kind: "stale", now: answer.now, record: recordOf(replyList(answer.rest[0]), p, scope) };
    }
    const record = newRecord(draft, writes, answer.now, asFence(replyNumber(answer.rest[0])));
    incarnation?.sawFence(p, record.fence);
    return { kind: "committed", now: answer.now, record };
  }

  async function renew(leases: readonly Lease[]): Promise<readonly Lease[]> {
    const byPartition = Map.groupBy(leases, (lease) => lease.partition);
    const lost = await Promise.all(
      [...byPartition].map(async ([p, group]) => {
        const { rest } = await run(redis.writes, processScripts.renew, {
          keys: { alarms: keys.alarms(p) },
          moreKeys: group.map(({ scope }) => keys.process(p, scope, null)),
          args: { partition: p, call: newCall() },
          moreArgs: group.flatMap(({ scope, epoch, owner, leaseMs }) => [scope, epoch, owner, leaseMs]),
        });
        const gone = new Set(replyList(rest[0]).map(String));
        return group.filter(({ scope, epoch }) => gone.has(`${scope}:${epoch}`));
      }),
    );
    return lost.flat();
  }

  async function purge(base: ProcessRecord): Promise<boolean> {
    const { partition: p, scope } = base;
    const place = placeOf(base);
    let attempts = 0;
    const { word } = await repeatOnce(() => {
      attempts += 1;
      return run(redis.writes, processScripts.purge, {
        keys: {
          process: keys.process(p, scope, place),
          alarms: keys.alarms(p),
          list: keys.list(p, base.service, base.status),
          deadLetters: keys.deadLetters(p),
          result: keys.result(p, scope, place),
          request: keys.request(p, scope, place),
          changes: keys.changes(p),
        },
        args: {
          scope,
          call: newCall(),
          epoch: base.epoch,
          version: base.version,
          member: memberOf(base),
          notice: `${processId(base)}:${base.version + 1}:purged`,
        },
      });
    });
    return word === "purged" || (word === "gone" && attempts > 1);
  }

  const indexes = createProcessIndexes({
    redis,
    keys,
    partitions,
    cap,
    jumpGraceMs: options.maxLeaseMs ?? 30_000,
    clock: session.clock,
    read,
    run,
  });
  return {
    partitions,
    create,
    read,
    commit,
    supersede,
    renew,
    purge,
    claimDue: indexes.claimDue,
    note: indexes.note,
    timeline: indexes.timeline,
    list: indexes.list,
    deadLetters: indexes.deadLetters,
    count: indexes.count,
    oldestAt: indexes.oldestAt,
    correlate: indexes.correlate,
    correlated: indexes.correlated,
    async readRequest(record, options) {
      const { partition: p, scope, epoch, requestPayload } = record;
      try {
        const found = await redis.reads.mgetBuffer(
          keys.request(p, scope, null),
          keys.request(p, scope, epoch),
        );
        for (const payload of found) {
          const request = decodeRequest(payload, requestPayload);
          if (request === null) continue;
          return request.lacksCredentials && options?.mayLackCredentials !== true ? null : request;
        }
        return null;
      } catch (cause) {
        throw unavailable("read-request", cause);
      }
    },
    get unanswered() {
      return session.unanswered.size;
    },
    settleUnanswered: () => session.unanswered.settle(),
  };
}

function isMemoryFull(error: unknown): boolean {
  const cause = error instanceof StoreUnavailable ? error.cause : null;
  return cause instanceof Error && cause.message.startsWith("OOM");
}

/** Where the record stands: null in the scope's own place, its epoch when it was moved aside. */
function placeOf(record: ProcessRecord): number | null {
  return record.supersededBy === null ? null : record.epoch;
}

function memberOf(record: ProcessRecord): string {
  return record.supersededBy === null ? record.scope : `${record.scope}:${record.epoch}`;
}

function noticeOf(after: ProcessRecord, version: number): string {
  return `${processId(after)}:${version}:${after.status}`;
}

function storedRequest(draft: Draft): Buffer | string {
  const id = draft.fields.requestPayload;
  if (draft.request === null) return "";
  if (id === undefined || id === null)
    throw new TypeError("a draft with a request names it in requestPayload");
  return encodeRequest(id, draft.request);
}

function dropWord({ drop }: Change): string {
  return drop.length > 1 ? "both" : (drop[0] ?? "none");
}
