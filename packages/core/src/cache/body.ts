/** A stored body's bytes from first to last, both inclusive, one chunk in memory at a time. */
import { chunkBytes, type CacheStore } from "./store.ts";

/** A chunk vanished while the body was read: the response must be cut off, never ended. */
export class BodyGone extends Error {
  override readonly name = "BodyGone";
}

/** @throws BodyGone, CacheUnavailable */
export async function* readBody(
  store: Pick<CacheStore, "readChunk">,
  key: string,
  bodyId: string,
  first: number,
  last: number,
): AsyncGenerator<Buffer> {
  for (let n = Math.floor(first / chunkBytes); n * chunkBytes <= last; n++) {
    const chunk = await store.readChunk(key, bodyId, n);
    const from = Math.max(0, first - n * chunkBytes);
    const to = Math.min(chunkBytes, last - n * chunkBytes + 1);
    if (chunk === null || chunk.length < to) throw new BodyGone("a part of the stored body is gone");
    yield chunk.subarray(from, to);
  }
}
