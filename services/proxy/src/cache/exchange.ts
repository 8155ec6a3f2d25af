/** One request of the cache to the service, and whether its response validates, replaces or leaves the stored one. */
import {
  freshen,
  isErrorStatus,
  judge,
  withoutConditions,
  type Fallback,
  type Judgement,
  type StoredMetadata,
} from "@sticky-proxy/core/cache";
import type { HeaderLine, HeaderList, RequestHead, ResponseHead } from "@sticky-proxy/core/http";
import type { Failed, Responded } from "@sticky-proxy/upstream";
import type { CacheDeps } from "./cache-deps.ts";
import { asGet, type CachedRequest } from "./cached-request.ts";

export interface ExchangePlan {
  /** The stored response to validate; null: an unconditional request. */
  readonly validates: { readonly stored: StoredMetadata; readonly conditions: readonly HeaderLine[] } | null;
  /** The stored response that may not answer this request; a full response that cannot be stored invalidates it. */
  readonly outdates: StoredMetadata | null;
  /** The client's own conditions go to the service, whose 304 is then for this client alone. */
  readonly keepConditions: boolean;
  readonly fallback: Fallback;
  /** The partition's generation and the server's time when the fetch began. */
  readonly generation: number;
  readonly now: number;
  readonly signal: AbortSignal;
  readonly onInformational: ((status: number, headers: HeaderList) => void) | null;
}

export type Exchanged =
  | { readonly kind: "failed"; readonly failed: Failed }
  /** An error status that the stored response may mask (RFC 5861 4); the body was discarded. */
  | { readonly kind: "masked"; readonly status: number }
  | {
      readonly kind: "revalidated";
      readonly stored: StoredMetadata;
      readonly response: ResponseHead;
      readonly judgement: Judgement;
      readonly now: number;
    }
  | {
      readonly kind: "response";
      readonly outcome: Responded;
      readonly judgement: Judgement;
      readonly now: number;
    };

export async function exchange(
  deps: CacheDeps,
  request: CachedRequest,
  plan: ExchangePlan,
): Promise<Exchanged> {
  const startedAt = deps.monotonic();
  const serverNow = (): number => Math.floor(plan.now + (deps.monotonic() - startedAt));
  const { validates, fallback } = plan;

  const send = async (conditions: readonly HeaderLine[]) => {
    const headers = plan.keepConditions ? request.head.headers : withoutConditions(request.head.headers);
    const requestAt = serverNow();
    const outcome = await deps.forwarder.forward({
      service: request.service,
      route: request.route,
      head: { ...request.head, headers: [...headers, ...conditions] },
      set: request.trace,
      body: null,
      bodyLength: null,
      client: request.client,
      seen: request.seen,
      signal: plan.signal,
      // The stored response replaces a failure, so the request is not sent twice.
      resend: !fallback.onDisconnect,
      ...(plan.onInformational === null ? {} : { onInformational: plan.onInformational }),
    });
    return { outcome, times: { requestAt, responseAt: serverNow() } };
  };
  const judged = (
    head: RequestHead,
    response: ResponseHead,
    times: { requestAt: number; responseAt: number },
  ) =>
    judge(head, response, request.policy, times, {
      service: request.service.name,
      url: request.url,
      generation: plan.generation,
    });

  let { outcome, times } = await send(validates?.conditions ?? []);
  if (outcome.kind === "responded" && outcome.status === 304 && validates !== null) {
    const response = freshen(validates.stored, outcome);
    outcome.body.resume(); // a 304 has no body; this frees the connection
    if (response !== null) {
      const judgement = judged(asGet(request.head), response, times);
      return { kind: "revalidated", stored: validates.stored, response, judgement, now: times.responseAt };
    }
    ({ outcome, times } = await send([])); // 4.3.4: the validators of the 304 do not match the stored response
  }
  if (outcome.kind === "failed") return { kind: "failed", failed: outcome };
  if (isErrorStatus(outcome.status) && fallback.onErrorStatus) {
    outcome.body.destroy();
    return { kind: "masked", status: outcome.status };
  }
  return {
    kind: "response",
    outcome,
    judgement: judged(request.head, outcome, times),
    now: times.responseAt,
  };
}
