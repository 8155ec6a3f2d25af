/**
 * The loop marker of dual-write: "this request has its copy already". A gateway that gets it with a valid signature
 * serves the request and does not mirror it; anything else under that name is removed and not honoured, or any client
 * could switch the copying off for its own writes.
 *
 *     Sticky-Mirror: v1; src="gw"; id="…"; hop=1; t=1700000000; sig=:base64:
 *
 * The signature is HMAC-SHA256 over these members, the method and the path as sent.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export const mirrorMarkerField = "Sticky-Mirror";

/** For backends that look for it already; as a marker it counts only from configured peers. */
export const dualWriteField = "x-dual-write-executed";

export interface MirrorMarker {
  /** Who made it: a gateway's own name. */
  readonly src: string;
  /** Unique per request sent: one that comes twice is a replay. */
  readonly id: string;
  /** Gateways passed, 1 for the first. */
  readonly hop: number;
}

export interface MarkedRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
}

export const maxMirrorHops = 8;
const toleranceSeconds = 300;
const form =
  /^v1; src="([!#-[\]-~]{1,64})"; id="([!#-[\]-~]{1,128})"; hop=([1-9][0-9]?); t=([0-9]{1,12}); sig=:([A-Za-z0-9+/]{43}=):$/;

/** `now` is epoch ms. @throws RangeError when src or id cannot stand in the field */
export function formatMirrorMarker(
  marker: MirrorMarker,
  request: MarkedRequest,
  secret: Uint8Array,
  now: number,
): string {
  const t = Math.floor(now / 1000);
  const signature = digest(marker, request, t, secret).toString("base64");
  const text = `v1; src="${marker.src}"; id="${marker.id}"; hop=${marker.hop}; t=${t}; sig=:${signature}:`;
  if (!form.test(text)) throw new RangeError("a mirror marker's src, id or hop is out of bounds");
  return text;
}

/**
 * The marker, when it is one line, well formed, signed by one of the secrets (several while rotating) for this very
 * method and path, and not older or younger than five minutes; else null.
 */
export function readMirrorMarker(
  lines: readonly string[],
  request: MarkedRequest,
  secrets: readonly Uint8Array[],
  now: number,
): MirrorMarker | null {
  const parts = lines.length === 1 && lines[0]!.length <= 512 ? form.exec(lines[0]!) : null;
  if (parts === null) return null;
  const marker: MirrorMarker = { src: parts[1]!, id: parts[2]!, hop: Number(parts[3]) };
  const t = Number(parts[4]);
  if (marker.hop > maxMirrorHops || Math.abs(now / 1000 - t) > toleranceSeconds) return null;
  const given = Buffer.from(parts[5]!, "base64");
  // The last character has bits that decode to nothing: only one spelling counts.
  if (given.toString("base64") !== parts[5]) return null;
  const isSigned = secrets.some((secret) => timingSafeEqual(given, digest(marker, request, t, secret)));
  return isSigned ? marker : null;
}

function digest(
  { src, id, hop }: MirrorMarker,
  request: MarkedRequest,
  t: number,
  secret: Uint8Array,
): Buffer {
  const mac = createHmac("sha256", secret);
  for (const part of ["mirror v1", src, id, String(hop), String(t), request.method, request.path]) {
    mac.update(`${Buffer.byteLength(part)}:`).update(part);
  }
  return mac.digest();
}
