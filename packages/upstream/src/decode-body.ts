/** Decodes content codings (RFC 9110 8.4), with limits on the decoded size. */
import { headerJoined, type HeaderList } from "@sticky-proxy/core/http";
import { splitList } from "@sticky-proxy/protocol/http";
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";

export interface DecodeBounds {
  readonly maxBytes: number;
  /** Decoded size divided by encoded size. */
  readonly maxRatio: number;
}

export type Decoded =
  | { readonly kind: "decoded"; readonly body: Uint8Array }
  /** An unknown coding, invalid bytes, or more than the allowed number of codings. */
  | { readonly kind: "unreadable" }
  | { readonly kind: "too-large" };

/** Largest number of content codings on one body. */
const maxCodings = 3;

/** Returns an empty body, or one without a coding, unchanged. */
export function decodeBody(headers: HeaderList, body: Uint8Array, bounds: DecodeBounds): Decoded {
  const codings = contentCodings(headers);
  if (codings.length > maxCodings) return { kind: "unreadable" };
  let bytes = body;
  for (const coding of codings.toReversed()) {
    if (bytes.length === 0) break;
    const maxOutputLength = Math.min(bounds.maxBytes, Math.max(bytes.length * bounds.maxRatio, 1024));
    try {
      const decoded = decodeOne(coding, bytes, maxOutputLength);
      if (decoded === null) return { kind: "unreadable" };
      bytes = decoded;
    } catch (error) {
      const isTooLarge = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
      return { kind: isTooLarge ? "too-large" : "unreadable" };
    }
  }
  return { kind: "decoded", body: bytes };
}

/** Lower-case names in the order in which they were applied, without `identity`. */
export function contentCodings(headers: HeaderList): string[] {
  return splitList(headerJoined(headers, "content-encoding") ?? "")
    .map((coding) => coding.toLowerCase())
    .filter((coding) => coding !== "identity");
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
