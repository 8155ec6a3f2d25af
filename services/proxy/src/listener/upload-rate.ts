/** Minimum rate of a request body: a client that sends single bytes must not keep a request open without limit. */
import type { IncomingMessage } from "node:http";

export interface RateSpans {
  /** Time before the first check of an upload. */
  readonly graceMs: number;
  /** The rate is that of so long: networks pause. */
  readonly checkMs: number;
}

const usualSpans: RateSpans = { graceMs: 5_000, checkMs: 10_000 };

/**
 * Calls `onSlow` once when less than `minBytesPerSecond` (0: no minimum) arrives. Time in which the body is not read, because
 * the service applies backpressure, does not count.
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
