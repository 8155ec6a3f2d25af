import type { IncomingMessage } from "node:http";

import { createFairPool, shareOf } from "@sticky-proxy/core/budgets";
import { Problem, rateLimitFields } from "@sticky-proxy/protocol";

import type { ProxyDeps } from "../deps.ts";
import type { Middleware, ProxyContext, ProxyState } from "../state.ts";
import { watchUploadRate } from "../listener/upload-rate.ts";

export type ReadBodyDeps = Pick<ProxyDeps, "settings" | "budgetRefused">;

/** What a request has taken of the bytes that this node may have in memory. */
interface Room {
  /** @throws Problem over-budget, and nothing is taken: the node is full, or this caller has its share */
  take(bytes: number): void;
  release(): void;
}

/**
 * Decides about the body before a byte of it is asked for. Reads state.route, state.options, state.declaredLength; writes state.body,
 * state.bodyLength: bytes where a policy needs the whole body, else the stream itself.
 */
export function readBody({ settings, budgetRefused }: ReadBodyDeps): Middleware {
  const pool = createFairPool(settings.limits.bodyBytes);

  function roomFor(holder: string): Room {
    let taken = 0;
    return {
      take(bytes) {
        if (!pool.take(holder, bytes)) {
          budgetRefused?.("bodies");
          throw overBudget(shareOf(settings.limits.bodyBytes));
        }
        taken += bytes;
      },
      release() {
        pool.give(holder, taken);
        taken = 0;
      },
    };
  }

  return async function readBody(ctx, next) {
    const { state, req } = ctx;
    const { hasBody, declaredLength, head } = state;
    if (!hasBody) return next();
    // RFC 9110 9.3.1: a body of a GET has no meaning that an identity could count by; a cached route passes it on.
    if ((head.method === "GET" || head.method === "HEAD") && state.options !== null) {
      throw new Problem("malformed-request", {
        detail: `A ${head.method} request has no body here.`,
        close: true,
      });
    }
    const max = bodyBound(state, settings);
    if (declaredLength !== null && declaredLength > max) throw tooLarge(max);
    const watch = watchUploadRate(req, settings.limits.bodyMinBytesPerSecond, () => {
      state.giveUp(new Problem("request-timeout", { detail: "The body comes too slowly.", close: true }));
    });
    state.bodyLength = declaredLength;
    const room = roomFor(state.client.holder);
    try {
      if (needsBytes(state)) {
        room.take(declaredLength ?? 0); // before a byte of it is asked for
        state.acceptBody();
        state.body = await collect(req, max, state.gone, declaredLength === null ? room : null);
        state.bodyLength = state.body.byteLength;
      } else {
        state.body = req;
        state.onStream?.(req);
      }
      return await next();
    } finally {
      room.release();
      watch.stop();
    }
  };
}

/** The whole body of a request to one of our own resources. @throws Problem payload-too-large */
export async function readBytes({ state, req }: ProxyContext, max: number): Promise<Uint8Array> {
  if (!state.hasBody) return new Uint8Array(0);
  if (state.declaredLength !== null && state.declaredLength > max) throw tooLarge(max);
  state.acceptBody();
  return collect(req, max, state.gone, null);
}

/** Largest body in bytes. A request that its route leaves plain is bound as if there were no process (git push without a key). */
export function bodyBound(
  { route, options }: Pick<ProxyState, "route" | "options">,
  { plainBodyBytes }: Pick<ProxyDeps["settings"], "plainBodyBytes">,
): number {
  if (route === null) return plainBodyBytes;
  const isPlain = route.boundsKeptOnly === true && !needsBytes({ route, options });
  return isPlain ? plainBodyBytes : route.maxBodyBytes;
}

function needsBytes({ route, options }: Pick<ProxyState, "route" | "options">): boolean {
  return options !== null || (route !== null && route.bodySchema !== null);
}

function tooLarge(max: number): Problem {
  return new Problem("payload-too-large", { detail: `The limit is ${max} bytes.`, close: true });
}

function overBudget(quota: number): Problem {
  const facts = {
    name: "bodies",
    quota,
    unit: "content-bytes",
    windowS: null,
    left: 0,
    resetS: null,
  } as const;
  return new Problem("over-budget", {
    detail: "Too many bytes of bodies are in memory.",
    headers: { ...rateLimitFields(facts), "Retry-After": "1" },
    close: true,
  });
}

/** @param room where the length is not known ahead: each part is taken from it */
function collect(
  request: IncomingMessage,
  max: number,
  gone: AbortSignal,
  room: Room | null,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (act: () => void): void => {
      request.off("data", onData);
      request.off("end", onEnd);
      request.off("error", onCut);
      gone.removeEventListener("abort", onCut);
      act();
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > max) return settle(() => reject(tooLarge(max)));
      try {
        room?.take(chunk.length);
      } catch (error) {
        return settle(() => reject(error as Problem));
      }
      chunks.push(chunk);
    };
    const onEnd = (): void =>
      settle(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)));
    const onCut = (): void => settle(() => reject(cutReason(gone)));
    if (gone.aborted) {
      reject(cutReason(gone));
      return;
    }
    request.on("data", onData);
    request.on("end", onEnd);
    request.on("error", onCut);
    gone.addEventListener("abort", onCut);
  });
}

/** Nobody reads the answer to an upload that broke off; it is named for the log. */
function cutReason(gone: AbortSignal): Problem {
  if (gone.reason instanceof Problem) return gone.reason;
  return new Problem("malformed-request", { detail: "The request broke off.", close: true });
}
