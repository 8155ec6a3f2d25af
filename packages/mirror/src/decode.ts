/** Removes content codings before a comparison (RFC 9110 8.4), with bounds on what may come out. Worker thread only. */
import { splitList } from "@sticky-proxy/protocol/http";
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { type HeaderList, headerJoined } from "@sticky-proxy/core/http";

export interface DecodeBounds {
  readonly maxBytes: number;
  /** Decoded by encoded size. */
  readonly maxRatio: number;
}

export const decodeBounds: DecodeBounds = { maxBytes: 8 * 1024 * 1024, maxRatio: 200 };

/** Content codings that may be stacked; more is refused. */
const maxCodings = 3;

/**
 * null: larger than the bounds. Bytes that do not decode, or a coding that we do not know, come back as they are:
 * they are then compared as bytes.
 */
export function decodeBody(
  headers: HeaderList,
  body: Uint8Array,
  bounds: DecodeBounds = decodeBounds,
): Uint8Array | null {
  const codings = splitList(headerJoined(headers, "content-encoding") ?? "")
    .map((coding) => coding.toLowerCase())
    .filter((coding) => coding !== "identity");
  if (codings.length > maxCodings) return body;
  let bytes = body;
  for (const coding of codings.toReversed()) {
    if (bytes.length === 0) return bytes;
    const maxOutputLength = Math.min(bounds.maxBytes, Math.max(bytes.length * bounds.maxRatio, 1024));
    try {
      const decoded = decodeOne(coding, bytes, maxOutputLength);
      if (decoded === null) return body;
      bytes = decoded;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE" ? null : body;
    }
  }
  return bytes;
}

function decodeOne(coding: string, bytes: Uint8Array, maxOutputLength: number): Uint8Array | null {
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return gunzipSync(bytes, { maxOutputLength });
    case "deflate":
      return inflateSync(bytes, { maxOutputLength });
    case "br":
      return brotliDecompressSync(bytes, { maxOutputLength });
    case "zstd":
      return zstdDecompressSync(bytes, { maxOutputLength });
    default:
      return null;
  }
}
