import { InvalidCursor, StoreUnavailable } from "@sticky-proxy/core/process";

/** What Redis's refusal or silence means to the ports; the client's error stays as cause. */
export function unavailable(what: string, cause: unknown): StoreUnavailable | InvalidCursor {
  if (cause instanceof StoreUnavailable || cause instanceof InvalidCursor) return cause;
  return new StoreUnavailable(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    cause,
  });
}
