/** The bodies of one exchange as a copy sees them, whether they are at hand or pass through. */
import { headerValue } from "@sticky-proxy/core/http";
import { isEndless } from "@sticky-proxy/core/mirror";
import { fields } from "@sticky-proxy/protocol";
import type { Readable } from "node:stream";
import type { Reply } from "../reply.ts";
import type { ProxyState } from "../state.ts";
import type { BodyTap, BodyTaps, Tapped } from "./tap-body.ts";

/** A longer body is not copied. */
export const maxCopiedBytes = 1024 * 1024;

const noBytes = new Uint8Array(0);

/** A body that is at hand, or passes through. */
export interface TappedBody {
  /** Once the request, or its answer, has been read to its end. Never rejects. */
  body(): Promise<Tapped>;
  release(): void;
}

/** To be called before the body is read; a later step decides whether it passes through. */
export function tapRequest(taps: BodyTaps, state: ProxyState): TappedBody {
  let tap: BodyTap | null = null;
  state.onStream = (body) => (tap = taps.tap(body, maxCopiedBytes, state.client.holder));
  return {
    async body() {
      if (tap !== null) return tap.copy;
      const { body } = state;
      return body instanceof Uint8Array ? body : noBytes;
    },
    release: () => tap?.release(),
  };
}

/** To be called before the body is read. */
export function tapBody(taps: BodyTaps, body: Uint8Array | Readable | null, holder: string): TappedBody {
  if (body === null || body instanceof Uint8Array)
    return { body: () => Promise.resolve(body ?? noBytes), release: () => undefined };
  const tap = taps.tap(body, maxCopiedBytes, holder);
  return { body: () => tap.copy, release: () => tap.release() };
}

/** Of an endless answer only the head is seen: what it belongs to has happened when it begins. */
export function tapReply(taps: BodyTaps, reply: Reply, holder: string): TappedBody {
  const { body } = reply;
  if (isEndless(reply.headers))
    return { body: () => Promise.resolve("body-too-large"), release: () => undefined };
  const tapped = tapBody(taps, body, holder);
  if (body !== null && !(body instanceof Uint8Array)) return tapped;
  // The client's bytes go first.
  const after = new Promise<void>((resolve) => setImmediate(resolve));
  return { body: () => after.then(() => tapped.body()), release: () => undefined };
}

/** The service's own answer to this very request: no stored one, no replay, no problem of ours. */
export function isFirstHand(reply: Reply): boolean {
  return (
    headerValue(reply.headers, fields.stickySource.toLowerCase()) === "service" &&
    headerValue(reply.headers, fields.idempotentReplayed.toLowerCase()) !== "true"
  );
}
