/** The outcome that a service's own payload reports, read by the route's pointers. Pure. */
import type { CallbackPolicy } from "../registry/service.ts";
import { scalarOf, type JsonText } from "@sticky-proxy/protocol/json";
import { idText } from "./answer.ts";

export type JobOutcome =
  /** `content`: the source text of the result, "null" where the route's pointer finds nothing. */
  | { readonly kind: "completed"; readonly content: string }
  /** `word`: the state as the service calls it. */
  | { readonly kind: "failed"; readonly content: string; readonly word: string }
  /** A state on the way. */
  | { readonly kind: "running" }
  /** It tells of another job than the service's answer did. */
  | { readonly kind: "other-job" }
  /** No word at the route's pointer. */
  | { readonly kind: "silent" };

export interface ExpectedJob {
  /** As read from the service's answer; null: none was read, so any job will do. */
  readonly jobId: string | null;
  /** A payload that names no job is another job's, too. */
  readonly mustName: boolean;
}

export function readOutcome(
  accept: NonNullable<CallbackPolicy["accept"]>,
  payload: JsonText,
  { jobId, mustName }: ExpectedJob,
): JobOutcome {
  if (accept.jobId !== null && jobId !== null) {
    const named = idText(payload.at(accept.jobId.callback));
    if (named === null ? mustName : named !== jobId) return { kind: "other-job" };
  }
  const state = scalarOf(payload.at(accept.status));
  if (state === undefined || state === null) return { kind: "silent" };
  const word = String(state);
  if (accept.completed.includes(word))
    return { kind: "completed", content: sourceAt(payload, accept.result) };
  if (accept.failed.includes(word)) return { kind: "failed", content: sourceAt(payload, accept.error), word };
  return { kind: "running" };
}

/** A slice of what was sent, numbers as they were written. */
function sourceAt(payload: JsonText, pointer: readonly string[] | null): string {
  return pointer === null ? payload.text.trim() : (payload.at(pointer) ?? "null");
}
