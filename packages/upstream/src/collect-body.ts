/** Reads a response body completely before it is passed on. */
import type { Readable } from "node:stream";

import type { Instance } from "@sticky-proxy/core/registry";

import { failedBy, UpstreamBodyError, type Failed } from "./outcome.ts";

export type CollectedBody =
  | { readonly kind: "complete"; readonly body: Uint8Array }
  /** More than maxBytes: what was read so far, and the paused stream with the rest. */
  | { readonly kind: "too-large"; readonly head: Uint8Array; readonly rest: Readable }
  | Failed;

export interface CollectContext {
  /** Instance name for the failure report. */
  readonly instance: Instance | null;
  /** When it aborts the rest of the body counts as too large: a body that drips would hold its reader for ever. */
  readonly until?: AbortSignal;
}

/** At most `maxBytes` are buffered. The forwarder's idle timeout ends a body that stalls. */
export function collectBody(
  body: Readable,
  maxBytes: number,
  { instance, until }: CollectContext = { instance: null },
): Promise<CollectedBody> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (result: CollectedBody): void => {
      body.off("data", onData);
      body.off("end", onEnd);
      body.off("error", onError);
      body.off("close", onClose);
      until?.removeEventListener("abort", onLate);
      resolve(result);
    };
    const onData = (chunk: Buffer): void => {
      if (size + chunk.length <= maxBytes) {
        chunks.push(chunk);
        size += chunk.length;
        return;
      }
      body.pause();
      // unshift at once: a stream that has received its last chunk and is empty would end before its reader is attached.
      body.unshift(chunk);
      settle({ kind: "too-large", head: Buffer.concat(chunks, size), rest: body });
    };
    const onLate = (): void => {
      body.pause();
      settle({ kind: "too-large", head: Buffer.concat(chunks, size), rest: body });
    };
    const onEnd = (): void => {
      settle({ kind: "complete", body: chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size) });
    };
    const onError = (error: Error): void => {
      settle(
        error instanceof UpstreamBodyError ? { ...error.outcome, instance } : failedBy(error, true, instance),
      );
    };
    // The stream was destroyed elsewhere without an error.
    const onClose = (): void =>
      onError(Object.assign(new Error("the body was closed"), { code: "ECONNRESET" }));
    if (body.readableEnded) {
      onEnd();
      return;
    }
    if (body.destroyed) {
      onError(body.errored ?? Object.assign(new Error("the body was closed"), { code: "ECONNRESET" }));
      return;
    }
    if (until?.aborted === true) return onLate();
    until?.addEventListener("abort", onLate);
    body.on("data", onData);
    body.on("end", onEnd);
    body.on("error", onError);
    body.on("close", onClose);
    body.resume(); // A partly read body is paused.
  });
}
