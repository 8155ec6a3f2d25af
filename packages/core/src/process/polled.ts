/**
 * The meaning of a service's answer at its poll address. Pure. The first rule that fits decides:
 *
 *   202                                             running
 *   302, 303 with Location                          look there once for the result
 *   200 and the route's own pointers (accept)       as they say
 *   200 {"done": false}                             running (AIP-151)
 *   200 {"done": true, "error": …}                  failed: 502 with the error as JSON
 *   200 {"done": true, "response": …}               the response as JSON
 *   200 {"status": "NotStarted|Running|InProgress"} running (Azure REST guidelines, long-running operations)
 *   200 {"status": "Failed|Canceled"}               failed: 502 with `error`, else the whole body
 *   200 {"status": "Succeeded"}                     `result`, else `properties`, as JSON; else the body as it is
 *   any other 2xx                                   the answer is the result
 *   408, 425, 429, 401, 403, 404, 5xx, other 3xx    no answer: it says nothing about the work
 *   404 to a probe, 410                             the service does not know the work
 *   any other 4xx                                   the answer is the result: what the service would have said at once
 *
 * Other status words are left alone: `{"status": "pending"}` may be a result. A route names its own in `accept`.
 */
import { pointerValue, parseJsonStrict, type Json } from "@sticky-proxy/protocol/json";
import { headerValue, type HeaderList, type StoredResponse } from "../http/message.ts";
import type { CallbackPolicy } from "../registry/service.ts";
import { readOutcome } from "./outcome.ts";

export type Polled =
  /** percent null: not said. */
  | { readonly kind: "running"; readonly percent: number | null }
  | { readonly kind: "result"; readonly response: StoredResponse }
  /** `location` as it was sent. */
  | { readonly kind: "elsewhere"; readonly location: string }
  | { readonly kind: "unknown-work" }
  | { readonly kind: "no-answer" };

export interface PollContext {
  readonly accept: CallbackPolicy["accept"];
  /** The job id in the answer to the request; null: none was read. */
  readonly jobId: string | null;
  /** Asked by the `probe` policy: the service may never have seen the request. */
  readonly isProbe: boolean;
}

const noAnswerStatuses: ReadonlySet<number> = new Set([401, 403, 404, 408, 425, 429]);

export function readPolled(response: StoredResponse, context: PollContext): Polled {
  const { status, headers } = response;
  if (status === 202) return { kind: "running", percent: percentOf(jsonObject(response)) };
  if (status === 302 || status === 303) {
    const location = headerValue(headers, "location");
    return location === null ? { kind: "no-answer" } : { kind: "elsewhere", location };
  }
  if (status === 410 || (status === 404 && context.isProbe)) return { kind: "unknown-work" };
  if (status < 200 || (status >= 300 && status < 400) || status >= 500) return { kind: "no-answer" };
  if (noAnswerStatuses.has(status)) return { kind: "no-answer" };
  const payload = status === 200 ? jsonObject(response) : null;
  if (payload === null) return { kind: "result", response };
  if (context.accept !== null) {
    const accepted = byPointers(context.accept, payload, context.jobId);
    if (accepted !== null) return accepted;
  }
  return byDone(payload) ?? byStatus(payload) ?? { kind: "result", response };
}

/** null: the payload says nothing at the route's pointer. */
function byPointers(
  accept: NonNullable<CallbackPolicy["accept"]>,
  payload: Payload,
  jobId: string | null,
): Polled | null {
  const outcome = readOutcome(accept, payload, { jobId, mustName: false });
  switch (outcome.kind) {
    case "completed":
      return completed(outcome.content);
    case "failed":
      return failed(outcome.content);
    case "running":
      return { kind: "running", percent: percentOf(payload) };
    case "other-job":
      return { kind: "no-answer" };
    case "silent":
      return null;
  }
}

/** AIP-151: google.longrunning.Operation. */
function byDone(payload: Payload): Polled | null {
  if (payload.done === false) return { kind: "running", percent: percentOf(payload) };
  if (payload.done !== true) return null;
  if (payload.error !== undefined && payload.error !== null) return failed(payload.error);
  return payload.response === undefined ? null : completed(payload.response);
}

function byStatus(payload: Payload): Polled | null {
  if (typeof payload.status !== "string") return null;
  switch (payload.status.toLowerCase()) {
    case "notstarted":
    case "running":
    case "inprogress":
      return { kind: "running", percent: percentOf(payload) };
    case "failed":
    case "canceled":
      return failed(payload.error ?? payload);
    case "succeeded": {
      const content = payload.result ?? payload.properties;
      return content === undefined || content === null ? null : completed(content);
    }
    default:
      return null;
  }
}

interface Payload {
  readonly [member: string]: Json | undefined;
}

/** null: no JSON object that can be read in one way only. */
function jsonObject({ headers, body }: StoredResponse): Payload | null {
  const type = headerValue(headers, "content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/json" && !/^application\/[^/]+\+json$/.test(type)) return null;
  const coding = headerValue(headers, "content-encoding");
  if (coding !== null && coding.trim().toLowerCase() !== "identity") return null;
  try {
    const value = parseJsonStrict(body);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

/** Azure: `percentComplete`; AIP-151 services put it into `metadata`. 0 to 100. */
function percentOf(payload: Payload | null): number | null {
  if (payload === null) return null;
  const places = [["percentComplete"], ["metadata", "progressPercent"], ["metadata", "progress_percent"]];
  for (const place of places) {
    const value = pointerValue(payload, place);
    if (typeof value === "number" && value >= 0 && value <= 100) return value;
  }
  return null;
}

function completed(content: unknown): Polled {
  return { kind: "result", response: jsonResponse(200, content) };
}

/** 502 like a failure that was reported by callback: the service failed, the gateway did not. */
function failed(error: unknown): Polled {
  return { kind: "result", response: jsonResponse(502, error) };
}

const jsonType: HeaderList = [["Content-Type", "application/json"]];

function jsonResponse(status: number, content: unknown): StoredResponse {
  return { status, headers: jsonType, body: new TextEncoder().encode(JSON.stringify(content)) };
}
