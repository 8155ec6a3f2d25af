/** A GET or HEAD on a cached route: its outcome as a reply with Cache-Status, as a Problem, or as the next step's. */
import { bypassCause, type BypassReason } from "@sticky-proxy/core/cache";
import { fields, Problem } from "@sticky-proxy/protocol";
import type { Next } from "koa";
import { informational } from "../listener/informational.ts";
import { asksForTrailers, problemOf } from "../middleware/forward.ts";
import type { ProxyContext } from "../state.ts";
import type { CachedRequest } from "./cached-request.ts";
import type { CacheHandling, FinalOutcome } from "./outcome.ts";
import { withCacheFields } from "./reply-fields.ts";
import { runRounds } from "./rounds.ts";
import type { ServeDeps } from "./serve-stored.ts";

/**
 * Sets the reply. `isTrusted` false: the store may not be read for this key.
 * @throws Problem no-stored-response (504), or the failure of the service
 */
export async function serveCached(
  deps: ServeDeps,
  ctx: ProxyContext,
  next: Next,
  request: CachedRequest,
  isTrusted: boolean,
): Promise<void> {
  const { state, res } = ctx;
  // No key has room for a body (RFC 9110 9.3.1), whatever fields say of it.
  if (state.hasBody) {
    record(deps, ctx, request, "BYPASS", "body");
    return bypass(ctx, next, "body");
  }
  const outcome = await runRounds(
    deps,
    request,
    {
      gone: state.gone,
      onInformational: (status, headers) => informational(res, state.client.httpVersion, status, headers),
    },
    isTrusted,
  );
  switch (outcome.kind) {
    case "response": {
      const { reply, handling } = outcome;
      record(deps, ctx, request, handling.result, handling.detail ?? null);
      const key = request.policy.cacheStatusKey ? request.key : null;
      const trailers = asksForTrailers(state) ? (reply.trailers ?? null) : null;
      state.reply = { ...withCacheFields(reply, { ...handling, key }), trailers };
      return;
    }
    case "bypass":
      record(deps, ctx, request, "BYPASS", outcome.reason);
      return bypass(ctx, next, outcome.reason);
    case "not-cached":
      record(deps, ctx, request, "MISS", "only-if-cached");
      throw new Problem("no-stored-response", {
        detail: "The request has only-if-cached, and no stored response satisfies it.",
        service: request.service.name,
      });
    case "failed":
      throw failure(outcome, ctx);
  }
}

/** The next step answers; its reply or Problem says that the cache was bypassed. */
async function bypass({ state }: ProxyContext, next: Next, reason: BypassReason): Promise<void> {
  try {
    await next();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const headers = { ...error.options.headers, [fields.xCache]: "BYPASS" };
    throw new Problem(error.slug, { ...error.options, headers });
  }
  const { reply } = state;
  if (reply === null) return;
  const isOurs = reply.headers.some(([name, value]) => name === fields.stickySource && value === "gateway");
  state.reply = withCacheFields(reply, {
    result: "BYPASS",
    source: isOurs ? "gateway" : "service",
    fwd: bypassCause(reason),
    detail: reason,
  });
}

/** RFC 9111 5.2.2.2: 504 where validation is required; a Problem more specific than 502 stays. */
function failure(
  { failed, mustValidate }: Extract<FinalOutcome, { kind: "failed" }>,
  { state }: ProxyContext,
): Problem {
  const problem = problemOf(failed, state);
  if (!mustValidate || problem.status !== 502) return problem;
  const detail = `${failed.detail} The stored response must be validated before it is reused.`;
  return new Problem("no-stored-response", { ...problem.options, detail });
}

/** The metric and the access line's field. */
function record(
  { observe }: ServeDeps,
  { state }: ProxyContext,
  { service, route }: CachedRequest,
  result: CacheHandling["result"],
  detail: string | null,
): void {
  observe.result({ service: service.name, route: route.name }, result);
  state.logFields["cache"] = detail === null ? result : `${result} ${detail}`;
}
