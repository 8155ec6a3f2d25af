/** What a complete answer of the service means for its process: the result, an acknowledgement, or an address to poll. Pure. */
import { createHash } from "node:crypto";
import { headerValue, type HeaderList, type StoredResponse } from "../http/message.ts";
import type { Pointer, ProcessPolicy } from "../registry/service.ts";

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
  const location = headerValue(headers, "location");
  if (status === 202 && policy.pollLocation !== null && location !== null)
    return { kind: "poll", pollUrl: location };
  if (policy.completion === "callback" && status >= 200 && status < 300) return { kind: "accepted" };
  if (status === 202 && echoedToken !== null && echoedToken === token) return { kind: "accepted" };
  return { kind: "result" };
}

/** The result's id: equal for equal answers of one attempt, so a report sent twice is known without reading the first. */
export function resultId(response: StoredResponse): string {
  const hash = createHash("sha256");
  hash.update(`${response.status}\n${headerValue(response.headers, "content-type") ?? ""}\n`);
  hash.update(response.body);
  return hash.digest("base64url").slice(0, 22);
}

/** The lines a route keeps of a result; an empty list keeps all. */
export function storedHeaders(headers: HeaderList, names: readonly string[]): HeaderList {
  if (names.length === 0) return headers;
  return headers.filter(
    ([name]) => names.includes(name.toLowerCase()) || name.toLowerCase() === "content-type",
  );
}

/** The value at a pointer in parsed JSON; undefined: nothing there. Own properties only. */
export function pointerValue(value: unknown, pointer: Pointer): unknown {
  let at = value;
  for (const token of pointer) {
    if (Array.isArray(at)) at = /^(0|[1-9]\d*)$/.test(token) ? at[Number(token)] : undefined;
    else if (typeof at === "object" && at !== null && Object.hasOwn(at, token))
      at = (at as Record<string, unknown>)[token];
    else return undefined;
  }
  return at;
}

/**
 * Can a member be set at the pointer, making the objects that are missing on its way?
 * @returns what is in the way (RFC 6901; "" is the document itself), null: nothing
 */
export function inTheWay(document: unknown, pointer: Pointer): string | null {
  let at = document;
  let path = "";
  for (const token of pointer) {
    if (typeof at !== "object" || at === null || Array.isArray(at)) return path;
    if (!Object.hasOwn(at, token)) return null;
    at = (at as Record<string, unknown>)[token];
    path += `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  }
  return null;
}

/** A string or number as an id text of at most 200 characters; null for anything else. */
export function idText(value: unknown): string | null {
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  return typeof value === "string" && value.length > 0 && value.length <= 200 ? value : null;
}
