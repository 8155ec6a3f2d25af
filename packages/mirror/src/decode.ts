/** Decodes content codings before a comparison. Worker thread only: decoding may take long. */
import type { HeaderList } from "@sticky-proxy/core/http";
import { decodeBody, type DecodeBounds } from "@sticky-proxy/upstream";

const decodeBounds: DecodeBounds = { maxBytes: 8 * 1024 * 1024, maxRatio: 200 };

/** null: larger than the limits. A body that cannot be decoded is returned unchanged and compared as bytes. */
export function comparableBody(headers: HeaderList, body: Uint8Array): Uint8Array | null {
  const decoded = decodeBody(headers, body, decodeBounds);
  if (decoded.kind === "too-large") return null;
  return decoded.kind === "decoded" ? decoded.body : body;
}
