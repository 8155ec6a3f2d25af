/** A process as the answer of the process API. */
import type { HeaderList } from "@sticky-proxy/core/http";
import { isTerminal, viewOf, type ProcessRecord } from "@sticky-proxy/core/process";
import { fields, formatRetryAfter, formatVersionTag, matchesVersionTag } from "@sticky-proxy/protocol";
import { jsonBody, type Reply } from "../reply.ts";
import { processFields, retryIn } from "../submit/process-reply.ts";

/** The longest wait of a long poll, whatever the client prefers; ms. */
export const maxWaitMs = 60_000;

export function statusReply(record: ProcessRecord, known: readonly string[], waitMs: number | null): Reply {
  const headers: HeaderList = [
    ["ETag", formatVersionTag(record.version)],
    ["Cache-Control", "no-store"],
    ...(isTerminal(record.status) ? [] : [[fields.retryAfter, formatRetryAfter(retryIn(record))] as const]),
    ...(waitMs === null
      ? []
      : [[fields.preferenceApplied, `wait=${Math.floor(Math.min(waitMs, maxWaitMs) / 1000)}`] as const]),
    ...processFields(record, "gateway", false),
  ];
  if (known.length > 0 && matchesVersionTag(known, record.version))
    return { status: 304, headers, body: null };
  return {
    status: 200,
    headers: [["Content-Type", "application/json"], ...headers],
    body: jsonBody(viewOf(record, "")),
  };
}

/** Expired by its own time, whether or not a sweeper has marked it. */
export function isPast(record: ProcessRecord, now: number): boolean {
  return record.expired || (isTerminal(record.status) && record.expireAt !== null && record.expireAt <= now);
}
