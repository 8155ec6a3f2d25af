import { hasCache } from "@sticky-proxy/core/cache";

import { holderOfPrincipal } from "@sticky-proxy/core/budgets";
import { Problem } from "@sticky-proxy/protocol";
import { admit, admitAnybody, type AdmitDeps, type Admitted } from "../authentication/admit.ts";
import { countRequest, type Rates } from "../authentication/rates.ts";
import type { Middleware, ProxyState } from "../state.ts";

export interface AuthenticateDeps extends AdmitDeps {
  /** PURGE carries a token of its own. */
  readonly purges: boolean;
  /** null: nobody counts requests. */
  readonly rates: Rates | null;
}

/**
 * Whose request it is; where authentication is configured, whether it may be sent at all. Reads state.service, state.head,
 * state.client; writes state.principal, state.serviceHead, state.client, state.standing.
 */
export function authenticate(deps: AuthenticateDeps): Middleware {
  const { authenticator, secret, rates } = deps;
  return function authenticate(ctx, next) {
    const { state } = ctx;
    const { service, route, serviceHead } = state;
    if (service === null) return next();
    const found = { service, route, serviceHead };
    const isPurge = deps.purges && serviceHead.method === "PURGE" && hasCache(service);
    if (authenticator === null || isPurge) {
      enter(state, admitAnybody(secret, state, found));
      state.standing = countRequest(rates, state.client.holder);
      return next();
    }
    return proveThenGo(authenticator, found, state, next);
  };

  async function proveThenGo(
    asked: NonNullable<typeof authenticator>,
    found: Parameters<typeof admit>[3],
    state: ProxyState,
    next: () => Promise<void>,
  ): Promise<void> {
    try {
      enter(state, await admit(deps, asked, state, found));
    } catch (error) {
      countRefusal(error, state);
      throw error;
    }
    state.standing = countRequest(rates, state.client.holder);
    return next();
  }

  /** Credentials that are tried out use up their address's requests. @throws Problem rate-limited in the refusal's place */
  function countRefusal(error: unknown, state: ProxyState): void {
    if (error instanceof Problem && error.slug !== "authentication-unavailable")
      state.standing = countRequest(rates, state.client.holder);
  }
}

function enter(state: ProxyState, { principal, serviceHead }: Admitted): void {
  state.principal = principal;
  state.serviceHead = serviceHead;
  if (principal.subject === null) return;
  state.client = { ...state.client, holder: holderOfPrincipal(principal.subject) };
  state.logFields["principal"] = principal.subject;
}
