/**
 * What a service says of its work, in whatever form it comes: content codings undone within bounds, JSON by pointer, form
 * fields like members. Only what the route's pointers ask for has to be readable.
 */
import {
  acceptsCodings,
  headerValue,
  type HeaderLine,
  type HeaderList,
  type StoredResponse,
} from "@sticky-proxy/core/http";
import type { FailedWhen } from "@sticky-proxy/core/registry";
import { readFormText, readJsonText, scalarOf, type JsonText } from "@sticky-proxy/protocol/json";
import { contentCodings, decodeBody } from "@sticky-proxy/upstream";

const bounds = { maxBytes: 8 * 1024 * 1024, maxRatio: 200 };

/** A body without its content codings, within 8 MiB and 200 times its size; null: it cannot be decoded. */
export function decodedBody(headers: HeaderList, body: Uint8Array): Uint8Array | null {
  const decoded = decodeBody(headers, body, bounds);
  return decoded.kind === "decoded" ? decoded.body : null;
}

/** null: it cannot be read. */
export function readReport(headers: HeaderList, body: Uint8Array): JsonText | null {
  const decoded = decodedBody(headers, body);
  if (decoded === null) return null;
  const type = headerValue(headers, "content-type")?.split(";", 1)[0]?.trim().toLowerCase();
  return type === "application/x-www-form-urlencoded" ? readFormText(decoded) : readJsonText(decoded);
}

const saysNothing = /^(?:null|false|\[\s*\])$/;

/** Whether a successful response tells of a failure in its body, by the route's own judge. */
export function saysFailure(
  { failedWhen }: { readonly failedWhen: FailedWhen | null },
  { status, headers, body }: StoredResponse,
): boolean {
  if (failedWhen === null || status < 200 || status >= 300) return false;
  const source = readReport(headers, body)?.at(failedWhen.pointer);
  if (failedWhen.equals === undefined) return source !== undefined && !saysNothing.test(source);
  const said = scalarOf(source);
  return said !== undefined && failedWhen.equals.includes(said);
}

/** The same response without its content codings, its ETag weakened (RFC 9110 8.8.3.3); as it is where that fails. */
export function withoutCodings(response: StoredResponse): StoredResponse {
  if (contentCodings(response.headers).length === 0) return response;
  const decoded = decodeBody(response.headers, response.body, bounds);
  if (decoded.kind !== "decoded") return response;
  const headers = response.headers
    .filter(([name]) => !droppedWithCoding.has(name.toLowerCase()))
    .map(([name, value]): HeaderLine => {
      const isStrong = name.toLowerCase() === "etag" && !value.startsWith("W/");
      return [name, isStrong ? `W/${value}` : value];
    });
  return { ...response, headers, body: decoded.body };
}

/** A stored response as a client can read it: without its codings where its Accept-Encoding does not name them. */
export function readableFor(requestHeaders: HeaderList, stored: StoredResponse): StoredResponse {
  const codings = contentCodings(stored.headers);
  return acceptsCodings(requestHeaders, codings) ? stored : withoutCodings(stored);
}

/** They describe the coded bytes. */
export const droppedWithCoding: ReadonlySet<string> = new Set([
  "content-encoding",
  "content-length",
  "content-md5",
  "content-digest",
  "digest",
]);
