/** Commits a change over the version that it was decided from (compare and set); its own repetition is known by `writeId`. */
import { asEpochMs, asFence } from "@sticky-proxy/protocol";
import {
  type Change,
  type CommitAnswer,
  isToldByRecord,
  listOf,
  type ProcessRecord,
} from "@sticky-proxy/core/process";
import { defineScript, replyList, replyNumber } from "../redis/scripts.ts";
import type { ProcessIo } from "./io.ts";
import { dropWord, storedResult } from "./payload.ts";
import { memberOf, noticeOf, placeEpoch } from "./place.ts";
import { changeWrites, recordOf, writeArgs, writtenRecord } from "./record.ts";
import type { ScriptAnswer } from "./script-session.ts";

export const commitScript = defineScript({
  name: "commit",
  file: new URL("./commit.lua", import.meta.url),
  keys: [
    "process",
    "alarms",
    "fence",
    "oldList",
    "newList",
    "deadLetters",
    "timeline",
    "changes",
    "result",
    "request",
    "held",
  ],
  args: [
    "scope",
    "call",
    "epoch",
    "version",
    "ifDue",
    "mintFence",
    "member",
    "lists",
    "stored",
    "drop",
    "notice",
    "entry",
    "cap",
    "isDead",
  ],
  moreArgs: "fields",
});

/** @throws StoreUnavailable; TypeError when a result comes without its id in `set.resultPayload` */
export async function commitChange(
  io: ProcessIo,
  base: ProcessRecord,
  change: Change,
  { ifDue, writeId }: { ifDue: boolean; writeId: string },
): Promise<CommitAnswer> {
  const { keys } = io;
  const { partition: p, scope } = base;
  const place = placeEpoch(base);
  const after = { ...base, ...change.set };
  const stored = storedResult(io.sealing, base, change);
  const writes = changeWrites(base, change, writeId);
  const answer = await io.repeatOnce(() =>
    io.run(io.redis.writes, commitScript, {
      keys: {
        process: keys.process(p, scope, place),
        alarms: keys.alarms(p),
        fence: keys.fence(p),
        oldList: keys.list(p, base.service, base.status),
        newList: keys.list(p, after.service, after.status),
        deadLetters: keys.deadLetters(p),
        timeline: keys.timeline(p, scope, base.epoch),
        changes: keys.changes(p),
        result: keys.result(p, scope, place),
        request: keys.request(p, scope, place),
        held: keys.held(p),
      },
      args: {
        scope,
        call: writeId,
        epoch: base.epoch,
        version: base.version,
        ifDue: ifDue ? 1 : 0,
        mintFence: change.mintFence ? 1 : 0,
        member: memberOf({ scope, epoch: place }),
        lists: listWord(base, after),
        stored,
        drop: dropWord(change),
        notice: noticeOf(after, base.version + 1, after.status),
        entry: isToldByRecord(change.entry) ? "" : JSON.stringify(change.entry),
        cap: io.timelineLength,
        isDead: after.deadLetter !== null && change.set.deadLetter !== undefined ? 1 : 0,
      },
      moreArgs: writeArgs(writes),
    }),
  );
  if (answer.word !== "committed") return otherAnswer(io, base, answer);
  const [minted, wakeAt] = answer.rest;
  const fence = change.mintFence ? asFence(replyNumber(minted)) : base.fence;
  const record = {
    ...writtenRecord(base, writes, answer.now, fence),
    wakeAt: wakeAt === null ? null : asEpochMs(replyNumber(wakeAt)),
  };
  io.sawFence(p, fence);
  return { kind: "committed", now: answer.now, record };
}

/** Nothing was written now: another version stands, the alarm is not due, or this write had already been done. */
async function otherAnswer(io: ProcessIo, base: ProcessRecord, answer: ScriptAnswer): Promise<CommitAnswer> {
  const { word, now, rest } = answer;
  const record = recordOf(replyList(rest[0]), base.partition, base.scope);
  if (word === "stale") {
    if (record?.epoch === base.epoch) return { kind: "stale", now, record };
    // base's process was moved aside meanwhile (and its successor may be gone already), or is gone itself.
    return { kind: "stale", ...(await io.read(base, { withResult: false })) };
  }
  io.sawFence(base.partition, record!.fence);
  return { kind: word === "repeated" ? "committed" : "not-due", now, record: record! };
}

/** What becomes of the process's membership in the lists by status. */
function listWord(before: ProcessRecord, after: ProcessRecord): "stay" | "join" | "leave" | "move" {
  const [from, to] = [listOf(before), listOf(after)];
  return from === to ? "stay" : from === null ? "join" : to === null ? "leave" : "move";
}
