/** One request of the cache to the service, and what its answer means for what is stored. */
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
  /** The stored response that is validated; null: the whole is fetched. */
  readonly validates: { readonly stored: StoredMetadata; readonly conditions: readonly HeaderLine[] } | null;
  /** What is stored and may not answer this request; a full response that cannot be stored takes it away. */
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
  /** An error that the stored response may hide; its body is gone. */
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
      signal: plan.signal,
      // With a stored response at hand nothing is gained by sending the request twice.
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
    outcome.body.resume(); // it is empty; the connection is free again
    if (response !== null) {
      const judgement = judged(asGet(request.head), response, times);
      return { kind: "revalidated", stored: validates.stored, response, judgement, now: times.responseAt };
    }
    ({ outcome, times } = await send([])); // 4.3.4: the 304 is about something we do not have
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
