import { hasCache } from "@sticky-proxy/core/cache";

import { admit, admitAnybody, type AdmitDeps, type Admitted } from "../authentication/admit.ts";
import type { Middleware, ProxyState } from "../state.ts";

export interface AuthenticateDeps extends AdmitDeps {
  /** PURGE carries a token of its own. */
  readonly purges: boolean;
}

/**
 * Whose request it is; where authentication is configured, whether it may be sent at all. Reads state.service, state.head,
 * state.client; writes state.principal, state.serviceHead, state.client.
 */
export function authenticate(deps: AuthenticateDeps): Middleware {
  const { authenticator, secret } = deps;
  return function authenticate(ctx, next) {
    const { state } = ctx;
    const { service, route, serviceHead } = state;
    if (service === null) return next();
    const found = { service, route, serviceHead };
    const isPurge = deps.purges && serviceHead.method === "PURGE" && hasCache(service);
    if (authenticator === null || isPurge) {
      enter(state, admitAnybody(secret, state, found));
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
    enter(state, await admit(deps, asked, state, found));
    return next();
  }
}

function enter(state: ProxyState, { principal, serviceHead }: Admitted): void {
  state.principal = principal;
  state.serviceHead = serviceHead;
  if (principal.subject === null) return;
  state.client = { ...state.client, holder: `principal:${principal.subject}` };
  state.logFields["principal"] = principal.subject;
}
