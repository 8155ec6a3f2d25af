/**
 * Stored responses and requests as one string each: id, head as JSON, body, with a line feed between them.
 * The id is the one that the record names; a payload under another id belongs to another version and reads as absent.
 */
import type { HeaderList, StoredResponse } from "@sticky-proxy/core/http";
import type { Change, Draft, StoredRequest } from "@sticky-proxy/core/process";
import type { Reply } from "../redis/scripts.ts";

const lineFeed = 0x0a;

export function encodeResult(id: string, { status, headers, body }: StoredResponse): Buffer {
  return encode(id, [status, headers], body);
}

/** null: nothing is stored, or it is not the one called `id`. */
export function decodeResult(payload: Reply | undefined, id: string | null): StoredResponse | null {
  const parts = decode(payload, id);
  if (parts === null) return null;
  const [status, headers] = parts.head as [number, HeaderList];
  return { status, headers, body: parts.body };
}

export function encodeRequest(id: string, { head, key, body, lacksCredentials }: StoredRequest): Buffer {
  return encode(id, lacksCredentials ? [head, key, 1] : [head, key], body);
}

/** null: nothing is stored, or it is not the one called `id`. */
export function decodeRequest(payload: Reply | undefined, id: string | null): StoredRequest | null {
  const parts = decode(payload, id);
  if (parts === null) return null;
  const [head, key, lacks] = parts.head as [StoredRequest["head"], string | null, 1?];
  return { head, key, body: parts.body, ...(lacks === 1 ? { lacksCredentials: true } : {}) };
}

/** The draft's request as its script stores it; "": none. @throws TypeError when the draft does not name it */
export function storedRequest({ request, fields }: Draft): Buffer | string {
  if (request === null) return "";
  const id = fields.requestPayload;
  if (id === undefined || id === null)
    throw new TypeError("a draft with a request names it in requestPayload");
  return encodeRequest(id, request);
}

/** The change's result as its script stores it; "": none. @throws TypeError when the change does not name it */
export function storedResult({ result, set }: Change): Buffer | string {
  if (result === null) return "";
  const id = set.resultPayload;
  if (id === undefined || id === null)
    throw new TypeError("a change with a result names it in set.resultPayload");
  return encodeResult(id, result);
}

/** Which of the two payloads the script deletes. */
export function dropWord({ drop }: Change): string {
  return drop.length > 1 ? "both" : (drop[0] ?? "none");
}

function encode(id: string, head: unknown, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${id}\n${JSON.stringify(head)}\n`), body]);
}

function decode(payload: Reply | undefined, id: string | null): { head: unknown; body: Buffer } | null {
  if (!Buffer.isBuffer(payload) || id === null) return null;
  const idEnd = payload.indexOf(lineFeed);
  const headEnd = payload.indexOf(lineFeed, idEnd + 1);
  if (headEnd === -1 || payload.toString("utf8", 0, idEnd) !== id) return null;
  return {
    head: JSON.parse(payload.toString("utf8", idEnd + 1, headEnd)) as unknown,
    body: payload.subarray(headEnd + 1),
  };
}
