/** What a service reports about its work, in the gateway's own form: a result or a failure. */
import type { HeaderList, StoredResponse } from "@sticky-proxy/core/http";
import { parseCompletion, parseFailure } from "@sticky-proxy/protocol";
import { jsonBody } from "../reply.ts";

export type Report =
  /** The work goes on: counts as a heartbeat. */
  | { readonly kind: "running" }
  | { readonly kind: "completed"; readonly response: StoredResponse }
  | {
      readonly kind: "failed";
      readonly response: StoredResponse;
      readonly retryable: boolean;
      readonly executed: "no" | "yes" | "unknown";
      readonly reason: string;
    };

/** @throws Problem malformed-request, malformed-json, unsupported-media-type, validation-failed */
export function completionReport(headers: HeaderList, body: Uint8Array): Report {
  const { status, headers: own, body: content } = parseCompletion({ headers, body });
  return { kind: "completed", response: { status, headers: own, body: content } };
}

/**
 * The report is stored as the response that clients get: 502, unless it names an error status of its own.
 * @throws Problem malformed-json, unsupported-media-type, validation-failed
 */
export function failureReport(headers: HeaderList, body: Uint8Array): Report {
  const { retryable, executed, title, status } = parseFailure({ headers, body });
  return {
    kind: "failed",
    retryable,
    executed,
    reason: (title ?? "reported").slice(0, 60),
    response: {
      status: status !== null && status >= 400 ? status : 502,
      headers: [["Content-Type", "application/problem+json"]],
      body: body.length === 0 ? jsonBody({ title: "The service reported a failure", status: 502 }) : body,
    },
  };
}
