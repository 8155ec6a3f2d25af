/**
 * Stores the response of a POST for later GETs (RFC 9110 9.3.3): it needs explicit freshness and a Content-Location equal
 * to the URI. A POST itself is never answered from the store.
 */
import { judge, maxFetchMs, originsOf, type EntryPoint } from "@sticky-proxy/core/cache";
import type { Reply } from "../reply.ts";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import { storeResponse } from "./store-response.ts";

/** The reply with a body that is stored while it is read; the given reply when it may not be stored. Never rejects. */
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
  if (!judgedAt(0, 0).storable) return reply; // most responses: no round trip to the store
  const lease = { key: request.key, flight: "", token: null };
  const start = await deps.store.begin(lease, null).catch(() => null);
  const judgement = start === null ? null : judgedAt(start.now, start.generation);
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
