/** What a service reports about its work, in the gateway's own form: a result or a failure. */
import { headerValue, withoutHeaders, type HeaderList, type StoredResponse } from "@sticky-proxy/core/http";
import { decodedBody } from "@sticky-proxy/engine";
import { parseCompletion, parseFailure, resultMediaType } from "@sticky-proxy/protocol";
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
  const isOurForm = resultMediaType === mediaTypeOf(headers); // any other body is the result itself, its coding included
  const request = isOurForm ? withoutCoding(headers, body) : { headers, body };
  const { status, headers: own, body: content } = parseCompletion(request);
  return { kind: "completed", response: { status, headers: own, body: content } };
}

/**
 * The report is stored as the response that clients get: 502, unless it names an error status of its own.
 * @throws Problem malformed-json, unsupported-media-type, validation-failed
 */
export function failureReport(lines: HeaderList, bytes: Uint8Array): Report {
  const { headers, body } = withoutCoding(lines, bytes);
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

/** What cannot be decoded is refused for its coding. */
function withoutCoding(headers: HeaderList, body: Uint8Array): { headers: HeaderList; body: Uint8Array } {
  if (headerValue(headers, "content-encoding") === null) return { headers, body };
  const decoded = decodedBody(headers, body);
  if (decoded === null) return { headers, body };
  return { headers: withoutHeaders(headers, new Set(["content-encoding"])), body: decoded };
}

function mediaTypeOf(headers: HeaderList): string | null {
  return headerValue(headers, "content-type")?.split(";", 1)[0]?.trim().toLowerCase() ?? null;
}
