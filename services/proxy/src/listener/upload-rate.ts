/** The least rate of a request body: a client that sends a byte now and then must not hold a request for ever. */
import type { IncomingMessage } from "node:http";

export interface RateSpans {
  /** Uploads are not judged before this. */
  readonly graceMs: number;
  readonly checkMs: number;
}

const usualSpans: RateSpans = { graceMs: 5_000, checkMs: 1_000 };

/**
 * Calls `onSlow` once when less than `minBytesPerSecond` (0: no least rate) comes in. Time in which nobody reads, because
 * the service takes no more, is not the client's.
 */
export function watchUploadRate(
  request: IncomingMessage,
  minBytesPerSecond: number,
  onSlow: () => void,
  { graceMs, checkMs }: RateSpans = usualSpans,
): { stop(): void } {
  const { socket } = request;
  let seen = 0;
  let timer: NodeJS.Timeout | null = null;
  const check = (): void => {
    if (request.complete || request.destroyed) return;
    const received = socket.bytesRead - seen;
    seen = socket.bytesRead;
    if (!request.isPaused() && received < (minBytesPerSecond * checkMs) / 1_000) {
      onSlow();
      return;
    }
    timer = setTimeout(check, checkMs);
  };
  const begin = (): void => {
    seen = socket.bytesRead;
    timer = setTimeout(check, checkMs);
  };
  if (minBytesPerSecond > 0 && !request.complete) timer = setTimeout(begin, graceMs);
  return {
    stop() {
      if (timer !== null) clearTimeout(timer);
    },
  };
}
