/**
 * The parts of a multipart body (RFC 2046 5.1), so that two forms are compared by what they hold and not by the
 * boundary that each library draws anew. Their order counts: RFC 7578 5.2 lets a service read meaning into it.
 */
export interface FormPart {
  /** Lower-case name and value, ordered by name. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** From Content-Disposition; null: it has none. */
  readonly name: string | null;
  readonly body: Uint8Array;
}

/** More are not told apart: the body is compared as it is. */
const maxParts = 1000;

/** null: not a multipart body with this boundary. Preamble and epilogue hold nothing (RFC 2046 5.1.1). */
export function readMultipart(body: Uint8Array, boundary: string): readonly FormPart[] | null {
  if (boundary === "" || boundary.length > 70) return null;
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = Buffer.from(`--${boundary}`, "latin1");
  const parts: FormPart[] = [];
  let at = lineStart(bytes, delimiter, 0);
  while (at !== -1) {
    let from = at + delimiter.length;
    if (bytes[from] === 0x2d && bytes[from + 1] === 0x2d) return parts.length === 0 ? null : parts;
    while (bytes[from] === 0x20 || bytes[from] === 0x09) from++; // RFC 2046: transport padding
    if (bytes[from] !== 0x0d || bytes[from + 1] !== 0x0a) return null;
    at = lineStart(bytes, delimiter, from);
    if (at === -1 || parts.length === maxParts) return null;
    const part = readPart(bytes.subarray(from + 2, Math.max(from + 2, at - 2)));
    if (part === null) return null;
    parts.push(part);
  }
  return null; // no closing delimiter
}

/** Where the delimiter stands at the beginning of a line that is no longer one of a part; -1: nowhere. */
function lineStart(bytes: Buffer, delimiter: Buffer, from: number): number {
  for (let at = bytes.indexOf(delimiter, from); at !== -1; at = bytes.indexOf(delimiter, at + 1)) {
    const isAtLineStart = at === 0 || (bytes[at - 2] === 0x0d && bytes[at - 1] === 0x0a);
    const next = bytes[at + delimiter.length];
    const isWhole = next === 0x0d || next === 0x2d || next === 0x20 || next === 0x09;
    if (isAtLineStart && isWhole) return at;
  }
  return -1;
}

function readPart(bytes: Buffer): FormPart | null {
  const isHeaderless = bytes[0] === 0x0d && bytes[1] === 0x0a;
  const end = isHeaderless ? 0 : bytes.indexOf("\r\n\r\n");
  if (end === -1) return null;
  const lines = isHeaderless ? [] : bytes.toString("latin1", 0, end).split("\r\n");
  const headers: [string, string][] = [];
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 1) return null;
    headers.push([line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]);
  }
  headers.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const disposition = headers.find(([name]) => name === "content-disposition")?.[1] ?? "";
  const named = /;\s*name\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/i.exec(disposition);
  const latin1 = named === null ? null : (named[1]?.replaceAll(/\\(.)/g, "$1") ?? named[2] ?? "");
  return {
    headers,
    name: latin1 === null ? null : Buffer.from(latin1, "latin1").toString("utf8"),
    body: bytes.subarray(isHeaderless ? 2 : end + 4),
  };
}
