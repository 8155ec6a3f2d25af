/** The bytes of a stored body from first to last, both inclusive; one chunk in memory at a time. */
import { CodedError } from "@sticky-proxy/protocol";
import { pieceBytes, type CacheStore } from "@sticky-proxy/core/cache";

/** A service's response in memory, at most so many bytes of it. */
export { collectBody as collectResponse } from "@sticky-proxy/upstream";

/** A chunk was removed while the body was read: the response must be truncated with its connection, never ended. */
export class BodyGone extends CodedError {
  override readonly name = "BodyGone";
  override readonly code = "BODY_GONE";
}

/** @throws BodyGone, CacheUnavailable */
export async function* readBody(
  store: Pick<CacheStore, "readPiece">,
  key: string,
  bodyId: string,
  first: number,
  last: number,
): AsyncGenerator<Buffer> {
  for (let n = Math.floor(first / pieceBytes); n * pieceBytes <= last; n++) {
    const piece = await store.readPiece(key, bodyId, n);
    const from = Math.max(0, first - n * pieceBytes);
    const to = Math.min(pieceBytes, last - n * pieceBytes + 1);
    if (piece === null || piece.length < to) throw new BodyGone("a part of the stored body is gone");
    yield piece.subarray(from, to);
  }
}
