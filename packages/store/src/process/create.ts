/** Creates a process, unless its scope has one already: then the script answers with that one. */
import { asFence } from "@sticky-proxy/protocol";
import type { CreateAnswer, Draft } from "@sticky-proxy/core/process";
import { defineScript, replyList, replyNumber } from "../redis/scripts.ts";
import type { ProcessIo } from "./io.ts";
import { decodeResult, storedRequest } from "./payload.ts";
import { draftWrites, newRecord, recordOf, writeArgs } from "./record.ts";

export const createScript = defineScript({
  name: "create",
  file: new URL("./create.lua", import.meta.url),
  keys: ["process", "alarms", "fence", "list", "result", "request", "held"],
  args: ["scope", "call", "validUntil", "withResult", "stored"],
  moreArgs: "fields",
});

/** Whether new scopes may be claimed is the caller's question (claims.ts). @throws StoreUnavailable */
export async function createProcess(
  io: ProcessIo,
  draft: Draft,
  { withResult }: { withResult: boolean },
): Promise<CreateAnswer> {
  const { keys } = io;
  const { partition: p, scope, writeId } = draft;
  const writes = draftWrites(draft);
  const attempt = async () =>
    io.start({ partition: p, scope, writeId }, (validUntil) =>
      io.run(io.redis.writes, createScript, {
        keys: {
          process: keys.process(p, scope, null),
          alarms: keys.alarms(p),
          fence: keys.fence(p),
          list: keys.list(p, draft.fields.service ?? "", draft.fields.status ?? "pending"),
          result: keys.result(p, scope, null),
          request: keys.request(p, scope, null),
          held: keys.held(p),
        },
        args: {
          scope,
          call: writeId,
          validUntil,
          withResult: withResult ? 1 : 0,
          stored: storedRequest(io.sealing, draft),
        },
        moreArgs: writeArgs(writes),
      }),
    );

  let answer = await attempt();
  // The answer told the server's time, so a jump of its clock is known now.
  if (answer.word === "late") answer = await attempt();
  if (answer.word === "late") return { kind: "late", now: answer.now };
  if (answer.word === "created") {
    const record = newRecord(draft, writes, answer.now, asFence(replyNumber(answer.rest[0])));
    io.sawFence(p, record.fence);
    return { kind: "created", now: answer.now, record };
  }
  const record = recordOf(replyList(answer.rest[0]), p, scope)!;
  io.sawFence(p, record.fence);
  const result = decodeResult(io.sealing, draft, answer.rest[1], record.resultPayload);
  return { kind: "exists", now: answer.now, record, result };
}
