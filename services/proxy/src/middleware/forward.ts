import { isSafe, splitList } from "@sticky-proxy/protocol/http";
import type { IncomingMessage } from "node:http";

import { headerJoined } from "@sticky-proxy/core/http";
import { shareOf } from "@sticky-proxy/core/budgets";
import { fields, Problem, rateLimitFields } from "@sticky-proxy/protocol";
import type { Service } from "@sticky-proxy/core/registry";
import type { Failed } from "@sticky-proxy/upstream";

import type { ProxyDeps } from "../deps.ts";
import { informational } from "../listener/informational.ts";
import type { Middleware, ProxyState } from "../state.ts";
import { bodyBound } from "./read-body.ts";

const never = new AbortController().signal;

/** The plain path: streams the request to the service and its response back. Reads all of state; writes state.reply. */
export function forward({ forwarder, settings }: ProxyDeps): Middleware {
  return async function forward(ctx) {
    const { state, req, res } = ctx;
    const { service, route, serviceHead, body, bodyLength, client, gone } = state;
    if (service === null) throw new Problem("service-not-found");
    state.acceptBody();
    const outcome = await forwarder.forward({
      service,
      route,
      head: serviceHead,
      set: state.trace,
      body,
      bodyLength,
      ...(body === null ? {} : { maxBodyBytes: bodyBound(state, settings) }),
      client,
      seen: state.seen,
      // Nobody needs the answer to a safe request of a client that left; an unsafe one is let finish once it is whole.
      signal: isSafe(serviceHead.method) ? gone : body === null ? never : untilWhole(req, gone),
      onInformational: (status, headers) => informational(res, client.httpVersion, status, headers),
    });
    if (outcome.kind === "failed") throw problemOf(outcome, state);
    state.reply = {
      status: outcome.status,
      headers: [...outcome.headers, [fields.stickySource, "service"]],
      body: outcome.body,
      trailers: asksForTrailers(state) ? outcome.trailers : null,
    };
  };
}

/** Aborts with `gone` while the request is still coming. */
function untilWhole(request: IncomingMessage, gone: AbortSignal): AbortSignal {
  const cut = new AbortController();
  gone.addEventListener("abort", () => {
    if (!request.complete) cut.abort(gone.reason);
  });
  return cut.signal;
}

/** A failed outcome as the client sees it. */
export function problemOf(failed: Failed, { gone, service }: Pick<ProxyState, "gone" | "service">): Problem {
  if (failed.aborted && gone.reason instanceof Problem) return gone.reason;
  return new Problem(failed.slug, {
    detail: failed.detail,
    executed: failed.executed,
    proxyStatus: failed.proxyStatus,
    ...(service === null ? {} : { service: service.name }),
    headers: {
      ...(failed.retryAfter === null ? {} : { "Retry-After": String(failed.retryAfter) }),
      ...(failed.slug === "queue-full" && service !== null ? inFlightFields(service) : {}),
    },
    ...(failed.slug === "payload-too-large" ? { close: true } : {}),
    cause: failed.cause,
  });
}

/** What a service takes at once is shared among its callers. */
function inFlightFields({ limits: { maxInFlight } }: Pick<Service, "limits">): Record<string, string> {
  const [quota, unit] = [shareOf(maxInFlight), "concurrent-requests" as const];
  return { ...rateLimitFields({ name: "in-flight", quota, unit, windowS: null, left: 0, resetS: null }) };
}

export function asksForTrailers({ head, client }: ProxyState): boolean {
  if (client.httpVersion !== "1.1") return false;
  const te = headerJoined(head.headers, "te");
  return te !== null && splitList(te).some((part) => splitList(part, ";")[0]?.toLowerCase() === "trailers");
}
