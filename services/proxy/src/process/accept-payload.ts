/** Reads the outcome of a job from the service's own payload, where the route says how. Pure. */
import { idText, processId, pointerValue, type CallbackPolicy, type ProcessRecord } from "@sticky-proxy/core";
import { parseJsonObject, Problem } from "@sticky-proxy/protocol";
import type { Report } from "../routes/executions.ts";
import { jsonBody } from "./reply.ts";

type Accept = NonNullable<CallbackPolicy["accept"]>;

/**
 * null: the payload tells of a state on the way, neither done nor failed.
 * @throws Problem malformed-json, validation-failed, execution-stale (another job's id)
 */
export function readAccepted(accept: Accept, body: Uint8Array, record: ProcessRecord): Report | null {
  const payload = parseJsonObject(body);
  if (accept.jobId !== null && record.jobId !== null) {
    const jobId = idText(pointerValue(payload, accept.jobId.callback));
    if (jobId !== record.jobId) {
      throw new Problem("execution-stale", {
        processId: processId(record),
        detail: "The callback names another job than the service's answer did.",
      });
    }
  }
  const state = pointerValue(payload, accept.status);
  if (typeof state !== "string" && typeof state !== "boolean" && typeof state !== "number") {
    throw new Problem("validation-failed", {
      detail: "The callback does not say how the job stands.",
      extensions: { errors: [{ pointer: `/${accept.status.join("/")}`, message: "is missing" }] },
    });
  }
  const word = String(state);
  if (accept.completed.includes(word)) {
    return { kind: "completed", response: jsonResponse(200, content(payload, accept.result)) };
  }
  if (accept.failed.includes(word)) {
    const error = content(payload, accept.error);
    const reason = typeof error === "string" ? error : word;
    return {
      kind: "failed",
      retryable: false,
      executed: "yes",
      reason: reason.slice(0, 60),
      response: jsonResponse(502, error),
    };
  }
  return null;
}

function content(payload: unknown, pointer: Accept["result"]): unknown {
  if (pointer === null) return payload;
  return pointerValue(payload, pointer) ?? null;
}

function jsonResponse(status: number, value: unknown) {
  return { status, headers: [["Content-Type", "application/json"] as const], body: jsonBody(value) };
}
