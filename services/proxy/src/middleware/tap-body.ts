/**
 * Copies of bodies, taken beside their way. A tap listens to what its reader is given and changes nothing about when
 * and how it is read: neither pace nor end nor error of the stream depends on it (R1).
 */
import { EventEmitter } from "node:events";
import type { Readable } from "node:stream";
import { createFairPool } from "@sticky-proxy/core/budgets";

/** `body-too-large`: longer than its own bound; `memory`: all taps together hold too much; `broken`: it ended early. */
export type Tapped = Uint8Array | "body-too-large" | "memory" | "broken";

export interface BodyTap {
  /** The whole body once its reader has had it. Never rejects. */
  readonly copy: Promise<Tapped>;
  /** The copy is not needed any more: its bytes are free for others. May be called again. */
  release(): void;
}

export interface BodyTaps {
  /** To be called before anybody reads the source. `holder`: whose share of the memory it takes. */
  tap(source: Readable, maxBytes: number, holder: string): BodyTap;
}

/** @param maxHeldBytes of all taps together */
export function createBodyTaps(maxHeldBytes: number): BodyTaps {
  const pool = createFairPool(maxHeldBytes);
  return {
    tap(source, maxBytes, holder) {
      const { promise: copy, resolve } = Promise.withResolvers<Tapped>();
      let chunks: Buffer[] = [];
      let size = 0;
      const release = (): void => {
        pool.give(holder, size);
        size = 0;
      };
      const settle = (outcome: Tapped): void => {
        source.off("data", onData);
        source.off("end", onEnd);
        source.off("close", onClose);
        if (typeof outcome === "string") release();
        chunks = [];
        resolve(outcome);
      };
      const onData = (chunk: Buffer): void => {
        if (size + chunk.length > maxBytes) return settle("body-too-large");
        if (!pool.take(holder, chunk.length)) return settle("memory");
        size += chunk.length;
        chunks.push(chunk);
      };
      const onEnd = (): void => settle(Buffer.concat(chunks, size));
      const onClose = (): void => settle("broken");
      // The stream's own `on` would start its flow before its reader is there.
      EventEmitter.prototype.on.call(source, "data", onData);
      source.on("end", onEnd).on("close", onClose);
      return { copy, release };
    },
  };
}
