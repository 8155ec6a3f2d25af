/**
 * A POST's response that says it is what a GET of the same URI would give (RFC 9110 9.3.3): explicit freshness, and
 * Content-Location equal to the URI. It is stored for later GETs; a POST itself is never answered from the store.
 */
import { judge, maxFetchMs, originsOf, type EntryPoint } from "@sticky-proxy/core/cache";
import type { Reply } from "../reply.ts";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import { storeResponse } from "./store-response.ts";

/** The reply to send in place of the given one: the same bytes, stored on their way. Never rejects. */
export async function storedFromPost(
  deps: CacheDeps,
  request: CachedRequest,
  reply: Reply,
  at: EntryPoint,
): Promise<Reply> {
  const { body, status, headers } = reply;
  if (body === null || body instanceof Uint8Array) return reply;
  const origins = originsOf(request.service, deps.publicOrigins, at);
  const from = { service: request.service.name, url: request.url, generation: 0, origins };
  const judgedAt = (now: number, generation: number) =>
    judge(request.head, reply, request.policy, { requestAt: now, responseAt: now }, { ...from, generation });
  if (!judgedAt(0, 0).storable) return reply; // the usual case costs no round trip
  const lease = { key: request.key, flight: "", token: null };
  const begun = await deps.store.begin(lease, null).catch(() => null);
  const judgement = begun === null ? null : judgedAt(begun.now, begun.generation);
  if (judgement === null || !judgement.storable) return reply;
  const { metadata } = judgement;
  return new Promise((resolve) => {
    void storeResponse(
      deps,
      {
        request,
        lease,
        response: { status, headers, body },
        metadata,
        outdates: null,
        until: deps.monotonic() + maxFetchMs,
        ended: () => Promise.resolve(),
      },
      (stored) => resolve({ ...reply, body: stored.body.reader() }),
    );
  });
}
