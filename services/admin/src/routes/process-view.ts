/** Processes as the admin API shows them. */
import { processId, type ProcessRecord, type StoredRequest } from "@sticky-proxy/core/process";
import type { StoredResponse } from "@sticky-proxy/core/http";
import { operatorView } from "@sticky-proxy/operations";

/** A line of a list. */
export function listView(record: ProcessRecord) {
  const { id, ...view } = operatorView(record);
  return {
    id,
    ...view,
    route: record.route,
    identity: record.identity,
    httpStatus: record.httpStatus,
    executed: record.executed,
    problem: record.problem,
    /** ms from birth to end; null: it runs. */
    tookMs: record.endedAt === null ? null : record.endedAt - record.createdAt,
    requestKept: record.requestPayload !== null,
  };
}

/** A single process, with what only its own page shows. */
export function detailView(record: ProcessRecord) {
  return {
    ...listView(record),
    hasCredential: record.credential !== "",
    expired: record.expired,
    pollUrl: record.pollUrl,
    traceparent: record.traceparent,
    leaseMs: record.leaseMs,
    resultKept: record.resultPayload !== null,
    keepUntilTime: record.keepUntil === null ? null : new Date(record.keepUntil).toISOString(),
  };
}

const shownBytes = 64 * 1024;

/** Headers redacted, the first 64 KiB of the body as text. */
export function payloadView(
  head: { readonly line: string; readonly headers: readonly (readonly [string, string])[] },
  body: Uint8Array,
  redact: (value: unknown) => unknown,
) {
  const shown = Buffer.from(body.subarray(0, shownBytes));
  return {
    line: redact(head.line),
    headers: redact(head.headers),
    body: new TextDecoder("utf-8").decode(shown),
    bytes: body.byteLength,
    truncated: body.byteLength > shownBytes,
  };
}

export function requestLine({ head }: StoredRequest): string {
  return `${head.method} ${head.path}${head.query === null ? "" : `?${head.query}`}`;
}

export function responseLine({ status }: Pick<StoredResponse, "status">): string {
  return `HTTP/1.1 ${status}`;
}

export function refOfRecord(record: ProcessRecord): string {
  return processId(record);
}
