/** Replies from a stored response: in full, a range, 304 or 416 (RFC 9110 14, 15.4.5). */
import { Readable } from "node:stream";
import {
  answerFrom,
  currentAgeMs,
  notModifiedHeaders,
  pieceBytes,
  type CacheAnswer,
  type CacheStore,
  type StoredMetadata,
} from "@sticky-proxy/core/cache";
import { BodyGone, readBody } from "@sticky-proxy/engine";
import type { HeaderLine, RequestHead } from "@sticky-proxy/core/http";
import type { Reply } from "../reply.ts";

/** @throws BodyGone or CacheUnavailable before anything is sent, so that the caller can forward the request. */
export async function storedReply(
  store: CacheStore,
  request: RequestHead,
  key: string,
  stored: StoredMetadata,
  now: number,
): Promise<Reply> {
  const answer = answerFrom(request, stored, now);
  const { status, headers } = headOf(answer, stored, now);
  const range = rangeOf(answer, stored);
  if (request.method === "HEAD" || range === null) return { status, headers, body: null };
  if (stored.bodyId === null) return { status, headers, body: null };
  const parts = readBody(store, key, stored.bodyId, range.first, range.last);
  // Reads the first piece before the header section is sent: an evicted body is fetched, not cut off.
  const first = await parts.next();
  if (first.done === true) throw new BodyGone("the stored body is empty");
  if (range.last - range.first < pieceBytes) {
    const buffers = [first.value];
    for await (const part of parts) buffers.push(part);
    return { status, headers, body: Buffer.concat(buffers) };
  }
  return { status, headers, body: Readable.from(withFirst(first.value, parts), { objectMode: false }) };
}

async function* withFirst(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

export function ageField(stored: StoredMetadata, now: number): HeaderLine {
  return ["Age", String(Math.floor(currentAgeMs(stored, now) / 1000))];
}

function headOf(answer: CacheAnswer, stored: StoredMetadata, now: number): Pick<Reply, "status" | "headers"> {
  const age = ageField(stored, now);
  const { bodyBytes, headers, status } = stored;
  switch (answer.as) {
    case "not-modified":
      return { status: 304, headers: [...notModifiedHeaders(headers), age] };
    case "range": {
      const range = `bytes ${answer.first}-${answer.last}/${bodyBytes}`;
      const length = String(answer.last - answer.first + 1);
      return {
        status: 206,
        headers: [...headers, ["Content-Range", range], ["Content-Length", length], age],
      };
    }
    case "part": {
      const { first, last, length } = answer.range;
      const whole = headers.filter(([name]) => name.toLowerCase() !== "content-range");
      const range: HeaderLine = ["Content-Range", `bytes ${first}-${last}/${length}`];
      return { status, headers: [...whole, range, ["Content-Length", String(last - first + 1)], age] };
    }
    case "unsatisfiable": {
      const kept = notModifiedHeaders(headers);
      return {
        status: 416,
        headers: [...kept, ["Content-Range", `bytes */${bodyBytes}`], ["Content-Length", "0"], age],
      };
    }
    case "full":
      return {
        status,
        headers:
          status === 204 ? [...headers, age] : [...headers, ["Content-Length", String(bodyBytes)], age],
      };
  }
}

function rangeOf(answer: CacheAnswer, { bodyBytes }: StoredMetadata): { first: number; last: number } | null {
  if (answer.as === "range") return answer;
  if (answer.as === "part") {
    const { range, skip } = answer;
    return { first: skip, last: skip + range.last - range.first };
  }
  return answer.as === "full" && bodyBytes > 0 ? { first: 0, last: bodyBytes - 1 } : null;
}
