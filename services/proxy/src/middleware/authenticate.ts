import type { KeyObject } from "node:crypto";
import { principalOf } from "@sticky-proxy/core/principal";

import type { Middleware } from "../state.ts";

/** Whose request it is. Reads state.service, state.head; writes state.principal. */
export function authenticate({ secret }: { readonly secret: KeyObject }): Middleware {
  return function authenticate(ctx, next) {
    const { state } = ctx;
    if (state.service !== null)
      state.principal = principalOf(secret, state.head.headers, state.service, null);
    return next();
  };
}
