/** Reads the outcome of a job from the service's own payload, where the route says how. Pure. */
import { processId, readOutcome, type ProcessRecord } from "@sticky-proxy/core/process";
import type { CallbackPolicy } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";
import { scalarOf, type JsonText } from "@sticky-proxy/protocol/json";
import type { Report } from "./report.ts";

type Accept = NonNullable<CallbackPolicy["accept"]>;

/**
 * @param payload null: it cannot be read
 * @throws Problem malformed-json, validation-failed, execution-stale (another job's id)
 */
export function readAccepted(accept: Accept, payload: JsonText | null, record: ProcessRecord): Report {
  if (payload === null) throw new Problem("malformed-json", { detail: "The callback cannot be read." });
  const outcome = readOutcome(accept, payload, { jobId: record.jobId, mustName: true });
  switch (outcome.kind) {
    case "completed":
      return { kind: "completed", response: jsonResponse(200, outcome.content) };
    case "failed": {
      const { content, word } = outcome;
      return {
        kind: "failed",
        retryable: false,
        executed: "yes",
        reason: (textOf(content) ?? word).slice(0, 60),
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
export function saysState(accept: Accept, payload: JsonText | null): boolean {
  if (payload === null) return false;
  return readOutcome(accept, payload, { jobId: null, mustName: false }).kind !== "silent";
}

function textOf(source: string): string | null {
  const value = scalarOf(source);
  return typeof value === "string" ? value : null;
}

/** @param source kept as the service wrote it: no number passes through a double */
function jsonResponse(status: number, source: string) {
  return { status, headers: [["Content-Type", "application/json"] as const], body: Buffer.from(source) };
}
