import type { IncomingMessage } from "node:http";

import { Problem } from "@sticky-proxy/protocol";

import type { ProxyDeps } from "../deps.ts";
import type { Middleware, ProxyContext, ProxyState } from "../state.ts";
import type { BodyRoom, BodyRooms } from "../listener/body-rooms.ts";
import { watchUploadRate } from "../listener/upload-rate.ts";

export type ReadBodyDeps = Pick<ProxyDeps, "settings">;

/** A body that a thread has to read as JSON is there as itself, as its copy in the thread, as text and as values. */
const timesParsed = 4;
/** Smaller ones are read at once, one at a time. */
const smallBytes = 65_536;

/**
 * Decides about the body before a byte of it is asked for. Reads state.route, state.options, state.declaredLength; writes state.body,
 * state.bodyLength: bytes where a policy needs the whole body, else the stream itself.
 */
export function readBody({ settings }: ReadBodyDeps, rooms: BodyRooms): Middleware {
  /** What the body takes until it has been read as JSON, if it is: as much as a caller may have is enough for one. */
  function bytesInMemory({ route, options }: ProxyState, length: number): number {
    const injected = options?.rules.policy.callback.inject.json ?? null;
    const isParsed = (route?.bodySchema ?? null) !== null || injected !== null;
    if (!isParsed || length <= smallBytes) return length;
    return Math.max(length, Math.min(timesParsed * length, rooms.share));
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
    const room = rooms.open(state.client.holder);
    state.room = room;
    try {
      if (needsBytes(state)) {
        if (declaredLength !== null) room.take(bytesInMemory(state, declaredLength)); // before a byte of it is asked for
        state.acceptBody();
        state.body = await collect(req, max, state.gone, declaredLength ?? room);
        if (declaredLength === null)
          room.take(bytesInMemory(state, state.body.byteLength) - state.body.byteLength);
        state.bodyLength = state.body.byteLength;
      } else {
        state.body = req;
        state.onStream?.(req);
      }
      return await next();
    } finally {
      room.keep(0);
      watch.stop();
    }
  };
}

/** The whole body of a request to one of our own resources. @throws Problem payload-too-large */
export async function readBytes({ state, req }: ProxyContext, max: number): Promise<Uint8Array> {
  const { hasBody, declaredLength, room } = state;
  if (!hasBody) return new Uint8Array(0);
  if (declaredLength !== null && declaredLength > max) throw tooLarge(max);
  if (declaredLength !== null) room?.take(declaredLength);
  state.acceptBody();
  return collect(req, max, state.gone, declaredLength ?? room);
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

/**
 * @param from the length as declared, for which room was taken: its bytes are kept once, in one piece; else where each
 *   part takes its room from, null: nobody counts
 */
function collect(
  request: IncomingMessage,
  max: number,
  gone: AbortSignal,
  from: number | BodyRoom | null,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const whole = typeof from === "number" ? Buffer.allocUnsafe(from) : null;
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
      if (size + chunk.length > max) return settle(() => reject(tooLarge(max)));
      try {
        if (whole === null) {
          if (typeof from !== "number") from?.take(chunk.length);
          chunks.push(chunk);
        } else chunk.copy(whole, size);
      } catch (error) {
        return settle(() => reject(error as Problem));
      }
      size += chunk.length;
    };
    const onEnd = (): void =>
      settle(() =>
        resolve(whole?.subarray(0, size) ?? (chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size))),
      );
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
