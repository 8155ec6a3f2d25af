/**
 * A copy of a response's body made while it goes to the client. The client's stream keeps its own pace: the copy only
 * holds on to chunks, up to a bound, and gives up beyond it.
 */
import { pipeline, Transform, type Readable } from "node:stream";

export interface TappedBody {
  /** To be sent in place of the original. */
  readonly body: Readable;
  /** The whole body; `too-large`: longer than the bound; `broken`: it, or its client, broke off. */
  readonly copy: Promise<Uint8Array | "too-large" | "broken">;
}

export function tapBody(source: Readable, maxBytes: number): TappedBody {
  const { promise: copy, resolve } = Promise.withResolvers<Uint8Array | "too-large" | "broken">();
  let chunks: Buffer[] = [];
  let size = 0;
  const tap = new Transform({
    highWaterMark: 64 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      else chunks = [];
      done(null, chunk);
    },
    flush(done) {
      resolve(size <= maxBytes ? Buffer.concat(chunks, size) : "too-large");
      done();
    },
  });
  // pipeline carries trouble both ways: a broken source breaks the tap, a client that left ends the source.
  pipeline(source, tap, () => resolve("broken"));
  return { body: tap, copy };
}
