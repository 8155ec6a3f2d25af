/** The outcome that a service's own payload reports, read by the route's pointers. Pure. */
import type { CallbackPolicy } from "../registry/service.ts";
import { pointerValue } from "@sticky-proxy/protocol/json";
import { idText } from "./answer.ts";

export type JobOutcome =
  /** `content`: the result, null where the route's pointer finds nothing. */
  | { readonly kind: "completed"; readonly content: unknown }
  /** `word`: the state as the service calls it. */
  | { readonly kind: "failed"; readonly content: unknown; readonly word: string }
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
  payload: unknown,
  { jobId, mustName }: ExpectedJob,
): JobOutcome {
  if (accept.jobId !== null && jobId !== null) {
    const named = idText(pointerValue(payload, accept.jobId.callback));
    if (named === null ? mustName : named !== jobId) return { kind: "other-job" };
  }
  const state = pointerValue(payload, accept.status);
  if (typeof state !== "string" && typeof state !== "boolean" && typeof state !== "number")
    return { kind: "silent" };
  const word = String(state);
  if (accept.completed.includes(word)) return { kind: "completed", content: at(payload, accept.result) };
  if (accept.failed.includes(word)) return { kind: "failed", content: at(payload, accept.error), word };
  return { kind: "running" };
}

function at(payload: unknown, pointer: readonly string[] | null): unknown {
  return pointer === null ? payload : (pointerValue(payload, pointer) ?? null);
}
