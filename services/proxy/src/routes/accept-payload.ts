/** Reads the outcome of a job from the service's own payload, where the route says how. Pure. */
import { processId, readOutcome, type ProcessRecord } from "@sticky-proxy/core/process";
import type { CallbackPolicy } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";
import { parseJsonObject } from "@sticky-proxy/protocol/json";
import type { Report } from "./executions.ts";
import { jsonBody } from "../reply.ts";

type Accept = NonNullable<CallbackPolicy["accept"]>;

/** @throws Problem malformed-json, malformed-request, validation-failed, execution-stale (another job's id) */
export function readAccepted(accept: Accept, body: Uint8Array, record: ProcessRecord): Report {
  const outcome = readOutcome(accept, parseJsonObject(body), { jobId: record.jobId, mustName: true });
  switch (outcome.kind) {
    case "completed":
      return { kind: "completed", response: jsonResponse(200, outcome.content) };
    case "failed": {
      const { content, word } = outcome;
      return {
        kind: "failed",
        retryable: false,
        executed: "yes",
        reason: (typeof content === "string" ? content : word).slice(0, 60),
        response: jsonResponse(502, content),
      };
    }
    case "running":
      return { kind: "running" };
    case "other-job":
      throw new Problem("execution-stale", {
        processId: processId(record),
        detail: "The callback names another job than the service's answer did.",
      });
    case "silent":
      throw new Problem("validation-failed", {
        detail: "The callback does not say how the job stands.",
        extensions: { errors: [{ pointer: `/${accept.status.join("/")}`, message: "is missing" }] },
      });
  }
}

/** The payload has a word where the route says that the service's own form has one. */
export function saysState(accept: Accept, body: Uint8Array): boolean {
  try {
    const outcome = readOutcome(accept, parseJsonObject(body), { jobId: null, mustName: false });
    return outcome.kind !== "silent";
  } catch {
    return false;
  }
}

function jsonResponse(status: number, value: unknown) {
  return { status, headers: [["Content-Type", "application/json"] as const], body: jsonBody(value) };
}
