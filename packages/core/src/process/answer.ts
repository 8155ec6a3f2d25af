/** What a complete answer of the service means for its process: the result, an acknowledgement, or an address to poll. Pure. */
import { createHash } from "node:crypto";
import { scalarOf } from "@sticky-proxy/protocol/json";
import { headerValue, type HeaderList, type StoredResponse } from "../http/message.ts";
import type { ProcessPolicy } from "../registry/service.ts";

export type AnswerMeaning =
  /** The answer is the result. */
  | { readonly kind: "result" }
  /** The service will report back. */
  | { readonly kind: "accepted" }
  /** The service wants to be asked at `pollUrl` (as it was sent: absolute or a path). */
  | { readonly kind: "poll"; readonly pollUrl: string };

/**
 * @param echoedToken the service's own Sticky-Execution field, null: none
 * @param token what was sent to it for this attempt
 */
export function meaningOf(
  policy: Pick<ProcessPolicy, "completion" | "pollLocation">,
  answer: { readonly status: number; readonly headers: HeaderList },
  echoedToken: string | null,
  token: string,
): AnswerMeaning {
  const { status, headers } = answer;
  const pollUrl = policy.pollLocation === null ? null : monitorOf(status, headers);
  if (pollUrl !== null) return { kind: "poll", pollUrl };
  if (policy.completion === "callback" && status >= 200 && status < 300) return { kind: "accepted" };
  if (status === 202 && echoedToken !== null && echoedToken === token) return { kind: "accepted" };
  return { kind: "result" };
}

/**
 * Where the service tells of its work: Operation-Location or Azure-AsyncOperation (Azure's guidelines for long-running
 * operations, also with 200 and 201), else the Location of a 202. null: it names no such place.
 */
function monitorOf(status: number, headers: HeaderList): string | null {
  if (status !== 200 && status !== 201 && status !== 202) return null;
  const operation =
    headerValue(headers, "operation-location") ?? headerValue(headers, "azure-asyncoperation");
  return operation ?? (status === 202 ? headerValue(headers, "location") : null);
}

/** The result's id: equal for equal answers of one attempt, so a report sent twice is known without reading the first. */
export function resultId(response: StoredResponse): string {
  const hash = createHash("sha256");
  hash.update(`${response.status}\n${headerValue(response.headers, "content-type") ?? ""}\n`);
  hash.update(response.body);
  return hash.digest("base64url").slice(0, 22);
}

/** The lines a route keeps of a result, with those that say what its bytes are; an empty list keeps all. */
export function storedHeaders(headers: HeaderList, names: readonly string[]): HeaderList {
  if (names.length === 0) return headers;
  return headers.filter(([name]) => {
    const lower = name.toLowerCase();
    return names.includes(lower) || lower === "content-type" || lower === "content-encoding";
  });
}

/**
 * A job id of at most 200 characters from the source text of a JSON string or number; null for anything else. A whole
 * number keeps its digits, however many: a double would not.
 */
export function idText(source: string | undefined): string | null {
  if (source !== undefined && /^-?\d{1,200}$/.test(source)) return source;
  const value = scalarOf(source);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  return typeof value === "string" && value.length > 0 && value.length <= 200 ? value : null;
}
