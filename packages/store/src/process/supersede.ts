/** Moves a process aside under its epoch and creates its successor in the scope, in one step. */
import { asFence } from "@sticky-proxy/protocol";
import {
  type Change,
  type CommitAnswer,
  type Draft,
  listOf,
  type ProcessRecord,
  StoreUnavailable,
} from "@sticky-proxy/core/process";
import { defineScript, replyList, replyNumber } from "../redis/scripts.ts";
import type { ProcessIo } from "./io.ts";
import { dropWord, storedRequest } from "./payload.ts";
import { noticeOf } from "./place.ts";
import { changeWrites, draftWrites, type FieldWrites, newRecord, recordOf, writeArgs } from "./record.ts";

export const supersedeScript = defineScript({
  name: "supersede",
  file: new URL("./supersede.lua", import.meta.url),
  keys: [
    "process",
    "archived",
    "alarms",
    "fence",
    "oldList",
    "closedList",
    "newList",
    "deadLetters",
    "timeline",
    "changes",
    "result",
    "archivedResult",
    "request",
    "archivedRequest",
    "held",
  ],
  args: [
    "scope",
    "call",
    "epoch",
    "version",
    "validUntil",
    "listed",
    "drop",
    "stored",
    "notice",
    "closingEntry",
    "cap",
  ],
  moreArgs: "fields",
});

/** @throws StoreUnavailable; TypeError when `closing` brings a result or asks for a fence */
export async function supersedeProcess(
  io: ProcessIo,
  base: ProcessRecord,
  closing: Change,
  draft: Draft,
): Promise<CommitAnswer> {
  const { keys } = io;
  const { partition: p, scope } = base;
  const { writeId } = draft;
  if (closing.result !== null || closing.mintFence) {
    throw new TypeError("a superseded process gets no result and no fence");
  }
  const closed = { ...base, ...closing.set };
  const closes: FieldWrites = { ...changeWrites(base, closing, writeId), minted: ["supersededBy"] };
  const writes = draftWrites(draft);
  const answer = await io.start({ partition: p, scope, writeId }, (validUntil) =>
    io.run(io.redis.writes, supersedeScript, {
      keys: {
        process: keys.process(p, scope, null),
        archived: keys.process(p, scope, base.epoch),
        alarms: keys.alarms(p),
        fence: keys.fence(p),
        oldList: keys.list(p, base.service, base.status),
        closedList: keys.list(p, closed.service, closed.status),
        newList: keys.list(p, draft.fields.service ?? "", draft.fields.status ?? "pending"),
        deadLetters: keys.deadLetters(p),
        timeline: keys.timeline(p, scope, base.epoch),
        changes: keys.changes(p),
        result: keys.result(p, scope, null),
        archivedResult: keys.result(p, scope, base.epoch),
        request: keys.request(p, scope, null),
        archivedRequest: keys.request(p, scope, base.epoch),
        held: keys.held(p),
      },
      args: {
        scope,
        call: writeId,
        epoch: base.epoch,
        version: base.version,
        validUntil,
        listed: listOf(closed) === null ? 0 : 1,
        drop: dropWord(closing),
        stored: storedRequest(io.sealing, draft),
        notice: noticeOf(closed, base.version + 1, closed.status),
        closingEntry: JSON.stringify(closing.entry),
        cap: io.timelineLength,
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
  io.sawFence(p, record.fence);
  return { kind: "committed", now: answer.now, record };
}
