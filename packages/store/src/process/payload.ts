/**
 * Stored responses and requests as one string each: id, head as JSON, body, with a line feed between them.
 * The id is the one that the record names; a payload under another id belongs to another version and reads as absent.
 * All behind the id may be sealed, bound to the scope, the id and the kind: the epoch is not known before the script
 * mints it, and an id is random and used once.
 */
import type { HeaderList, StoredResponse } from "@sticky-proxy/core/http";
import type { Change, Draft, StoredRequest } from "@sticky-proxy/core/process";
import type { Reply } from "../redis/scripts.ts";
import type { Sealing } from "../sealing/sealing.ts";

/** Whose payload it is. */
interface Place {
  readonly partition: number;
  readonly scope: string;
}

const lineFeed = 0x0a;

export function encodeResult(
  sealing: Sealing,
  place: Place,
  id: string,
  { status, headers, body }: StoredResponse,
): Buffer {
  return encode(sealing, addressOf(place, id, "result"), id, [status, headers], body);
}

/** null: nothing is stored, or it is not the one called `id`. */
export function decodeResult(
  sealing: Sealing,
  place: Place,
  payload: Reply | undefined,
  id: string | null,
): StoredResponse | null {
  const parts = decode(sealing, addressOf(place, id, "result"), payload, id);
  if (parts === null) return null;
  const [status, headers] = parts.head as [number, HeaderList];
  return { status, headers, body: parts.body };
}

export function encodeRequest(
  sealing: Sealing,
  place: Place,
  id: string,
  { head, key, body, lacksCredentials }: StoredRequest,
): Buffer {
  const address = addressOf(place, id, "request");
  return encode(sealing, address, id, lacksCredentials ? [head, key, 1] : [head, key], body);
}

/** null: nothing is stored, or it is not the one called `id`. */
export function decodeRequest(
  sealing: Sealing,
  place: Place,
  payload: Reply | undefined,
  id: string | null,
): StoredRequest | null {
  const parts = decode(sealing, addressOf(place, id, "request"), payload, id);
  if (parts === null) return null;
  const [head, key, lacks] = parts.head as [StoredRequest["head"], string | null, 1?];
  return { head, key, body: parts.body, ...(lacks === 1 ? { lacksCredentials: true } : {}) };
}

/** The draft's request as its script stores it; "": none. @throws TypeError when the draft does not name it */
export function storedRequest(sealing: Sealing, draft: Draft): Buffer | string {
  const { request, fields } = draft;
  if (request === null) return "";
  const id = fields.requestPayload;
  if (id === undefined || id === null)
    throw new TypeError("a draft with a request names it in requestPayload");
  return encodeRequest(sealing, draft, id, request);
}

/** The change's result as its script stores it; "": none. @throws TypeError when the change does not name it */
export function storedResult(sealing: Sealing, place: Place, { result, set }: Change): Buffer | string {
  if (result === null) return "";
  const id = set.resultPayload;
  if (id === undefined || id === null)
    throw new TypeError("a change with a result names it in set.resultPayload");
  return encodeResult(sealing, place, id, result);
}

/** Which of the two payloads the script deletes. */
export function dropWord({ drop }: Change): string {
  return drop.length > 1 ? "both" : (drop[0] ?? "none");
}

function addressOf({ partition, scope }: Place, id: string | null, kind: "request" | "result"): string {
  return `${kind};${partition};${scope};${id}`;
}

function encode(sealing: Sealing, address: string, id: string, head: unknown, body: Uint8Array): Buffer {
  const sealed = sealing.seal(address, [Buffer.from(`${JSON.stringify(head)}\n`), body]);
  return Buffer.concat([Buffer.from(`${id}\n`), ...sealed]);
}

function decode(
  sealing: Sealing,
  address: string,
  payload: Reply | undefined,
  id: string | null,
): { head: unknown; body: Buffer } | null {
  if (!Buffer.isBuffer(payload) || id === null) return null;
  const idEnd = payload.indexOf(lineFeed);
  if (idEnd === -1 || payload.toString("utf8", 0, idEnd) !== id) return null;
  const clear = sealing.open(address, payload.subarray(idEnd + 1));
  const headEnd = clear.indexOf(lineFeed);
  if (headEnd === -1) return null;
  return {
    head: JSON.parse(clear.toString("utf8", 0, headEnd)) as unknown,
    body: clear.subarray(headEnd + 1),
  };
}
