/**
 * The meaning of a service's answer at its poll address. Pure. The first rule that fits decides:
 *
 *   202                                             running
 *   302, 303 with Location                          look there once for the result
 *   200 and the route's own pointers (accept)       as they say
 *   200 {"done": false}                             running (AIP-151)
 *   200 {"done": true, "error": …}                  failed: 502 with the error as JSON
 *   200 {"done": true, "response": …}               the response as JSON
 *   200 {"status": a word of `running`}             running (Azure REST guidelines, long-running operations)
 *   200 {"status": a word of `failed`}              failed: 502 with `error`, else the whole body
 *   200 {"status": a word of `completed`}           `result`, else `properties`, as JSON; else the body as it is
 *   200 in a form that cannot be read               no answer
 *   any other 2xx                                   the answer is the result
 *   408, 425, 429, 401, 403, 404, 5xx, other 3xx    no answer: it says nothing about the work
 *   404 to a probe, 410                             the service does not know the work
 *   any other 4xx                                   the answer is the result: what the service would have said at once
 *
 * Other status words are left alone: `{"status": "pending"}` may be a result. A route names its own words in
 * `pollLocation`, and other places for them in `accept`.
 */
import { readJsonText, scalarOf, type JsonText } from "@sticky-proxy/protocol/json";
import { headerValue, type HeaderList, type StoredResponse } from "../http/message.ts";
import type { CallbackPolicy, PollPolicy } from "../registry/service.ts";
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
  /** What the member `status` says, in any case of letters. */
  readonly words: PollWords;
}

export type PollWords = Pick<PollPolicy, "running" | "completed" | "failed">;

export const usualPollWords: PollWords = {
  running: ["NotStarted", "Running", "InProgress"],
  completed: ["Succeeded"],
  failed: ["Failed", "Canceled"],
};

const noAnswerStatuses: ReadonlySet<number> = new Set([401, 403, 404, 408, 425, 429]);

export function readPolled(response: StoredResponse, context: PollContext): Polled {
  const { status, headers } = response;
  const read = jsonObject(response);
  if (status === 202)
    return { kind: "running", percent: read.kind === "json" ? percentOf(read.payload) : null };
  if (status === 302 || status === 303) {
    const location = headerValue(headers, "location");
    return location === null ? { kind: "no-answer" } : { kind: "elsewhere", location };
  }
  if (status === 410 || (status === 404 && context.isProbe)) return { kind: "unknown-work" };
  if (status < 200 || (status >= 300 && status < 400) || status >= 500) return { kind: "no-answer" };
  if (noAnswerStatuses.has(status)) return { kind: "no-answer" };
  // What cannot be read is never taken for a result: it may say that the work still runs.
  if (status === 200 && read.kind === "unreadable") return { kind: "no-answer" };
  if (status !== 200 || read.kind !== "json") return { kind: "result", response };
  const { payload } = read;
  if (context.accept !== null) {
    const accepted = byPointers(context.accept, payload, context.jobId);
    if (accepted !== null) return accepted;
  }
  return byDone(payload) ?? byStatus(payload, context.words) ?? { kind: "result", response };
}

/** null: the payload says nothing at the route's pointer. */
function byPointers(
  accept: NonNullable<CallbackPolicy["accept"]>,
  payload: JsonText,
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
function byDone(payload: JsonText): Polled | null {
  const done = scalarOf(payload.at(["done"]));
  if (done === false) return { kind: "running", percent: percentOf(payload) };
  if (done !== true) return null;
  const error = present(payload.at(["error"]));
  if (error !== null) return failed(error);
  const response = payload.at(["response"]);
  return response === undefined ? null : completed(response);
}

function byStatus(payload: JsonText, words: PollWords): Polled | null {
  const status = scalarOf(payload.at(["status"]));
  if (typeof status !== "string") return null;
  const isOne = (of: readonly string[]): boolean =>
    of.some((word) => word.toLowerCase() === status.toLowerCase());
  if (isOne(words.running)) return { kind: "running", percent: percentOf(payload) };
  if (isOne(words.failed)) return failed(present(payload.at(["error"])) ?? payload.text.trim());
  if (!isOne(words.completed)) return null;
  const content = present(payload.at(["result"])) ?? present(payload.at(["properties"]));
  return content === null ? null : completed(content);
}

/** null: missing, or null itself. */
function present(source: string | undefined): string | null {
  return source === undefined || source === "null" ? null : source;
}

type Read = { readonly kind: "json"; readonly payload: JsonText } | { readonly kind: "other" | "unreadable" };

/** `unreadable`: it says that it is JSON, or comes in a coding that nobody undid, and cannot be read. */
function jsonObject({ headers, body }: StoredResponse): Read {
  const coding = headerValue(headers, "content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding !== "identity") return { kind: "unreadable" };
  const type = headerValue(headers, "content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  if (type !== "application/json" && !/^application\/[^/]+\+json$/.test(type)) return { kind: "other" };
  if (body.length === 0) return { kind: "other" };
  const payload = readJsonText(body);
  if (payload === null) return { kind: "unreadable" };
  return payload.text.trimStart().startsWith("{") ? { kind: "json", payload } : { kind: "other" };
}

/** Azure: `percentComplete`; AIP-151 services put it into `metadata`. 0 to 100. */
function percentOf(payload: JsonText | null): number | null {
  if (payload === null) return null;
  const places = [["percentComplete"], ["metadata", "progressPercent"], ["metadata", "progress_percent"]];
  for (const place of places) {
    const value = scalarOf(payload.at(place));
    if (typeof value === "number" && value >= 0 && value <= 100) return value;
  }
  return null;
}

/** @param source JSON text, kept as the service wrote it */
function completed(source: string): Polled {
  return { kind: "result", response: jsonResponse(200, source) };
}

/** 502 like a failure that was reported by callback: the service failed, the gateway did not. */
function failed(source: string): Polled {
  return { kind: "result", response: jsonResponse(502, source) };
}

const jsonType: HeaderList = [["Content-Type", "application/json"]];

function jsonResponse(status: number, source: string): StoredResponse {
  return { status, headers: jsonType, body: new TextEncoder().encode(source) };
}
