/** Forwards a HEAD that no stored response satisfies; its response updates or invalidates the stored GET (RFC 9111 4.3.5). */
import {
  headEffect,
  isErrorStatus,
  isNotModified,
  judge,
  notModifiedHeaders,
  withoutConditions,
  type CacheDecision,
  type StoredMetadata,
} from "@sticky-proxy/core/cache";
import type { ResponseHead } from "@sticky-proxy/core/http";
import type { Failed } from "@sticky-proxy/upstream";
import type { Reply } from "../reply.ts";
import type { CacheDeps } from "./cache-deps.ts";
import { asGet, type CachedRequest } from "./cached-request.ts";

export type HeadAnswer =
  | { readonly kind: "reply"; readonly reply: Reply }
  /** An error status that the stored response may mask (RFC 5861 4). */
  | { readonly kind: "masked"; readonly status: number }
  /** The service gave no response. */
  | { readonly kind: "failed"; readonly failed: Failed };

export async function forwardHead(
  deps: CacheDeps,
  request: CachedRequest,
  { stored, fallback }: Extract<CacheDecision, { action: "fetch" | "validate" }>,
  now: number,
  signal: AbortSignal,
): Promise<HeadAnswer> {
  const { key, head, policy, service, url } = request;
  const lease = { key, flight: "", token: null };
  const start = stored === null ? null : await deps.store.begin(lease, null).catch(() => null);
  const startedAt = deps.monotonic();
  const outcome = await deps.forwarder.forward({
    service,
    route: request.route,
    // With a stored response the client's conditions are evaluated here, against the response to the HEAD.
    head: stored === null ? head : { ...head, headers: withoutConditions(head.headers) },
    set: request.trace,
    body: null,
    bodyLength: null,
    client: request.client,
    seen: request.seen,
    signal,
  });
  if (outcome.kind === "failed") return { kind: "failed", failed: outcome };
  outcome.body.resume(); // a response to HEAD has none; its end frees the connection
  if (isErrorStatus(outcome.status) && fallback.onErrorStatus) {
    return { kind: "masked", status: outcome.status };
  }
  const { status, headers } = outcome;
  if (stored !== null && start !== null) {
    const responseAt = Math.floor(start.now + (deps.monotonic() - startedAt));
    await apply(stored, { status, headers }, { requestAt: start.now, responseAt }, start.generation);
  }
  if (stored !== null && isNotModified(head.headers, { status, headers, dateAt: now }, now)) {
    return { kind: "reply", reply: { status: 304, headers: notModifiedHeaders(headers), body: null } };
  }
  return { kind: "reply", reply: { status, headers, body: null } };

  async function apply(
    known: StoredMetadata,
    response: ResponseHead,
    times: { requestAt: number; responseAt: number },
    generation: number,
  ): Promise<void> {
    const effect = headEffect(known, response);
    if (effect.effect === "keep") return;
    const judgement =
      effect.effect === "freshen"
        ? judge(asGet(head), effect.response, policy, times, { service: service.name, url, generation })
        : null;
    try {
      if (judgement === null || !judgement.storable) {
        await deps.store.drop(key, false);
        return;
      }
      const { bodyId, bodyBytes } = known;
      const metadata = { ...judgement.metadata, bodyId, bodyBytes };
      await deps.store.commit({ lease, metadata, replaces: known, maxVariants: policy.maxVariants });
    } catch (error) {
      deps.observe.storeError("store", error);
    }
  }
}
