/** Who calls the process API, by the same methods as on the way to services. */
import type { KeyObject } from "node:crypto";
import { holderOfPrincipal } from "@sticky-proxy/core/budgets";
import {
  credentialRules,
  principalOf,
  usualCredential,
  type GrantScope,
  type Principal,
} from "@sticky-proxy/core/principal";
import type { Service } from "@sticky-proxy/core/registry";
import type { Context } from "koa";
import { askingOf } from "../authentication/admit.ts";
import { demandScope, grantOf, type Authenticator } from "../authentication/authenticator.ts";
import { countRequest, type Rates } from "../authentication/rates.ts";
import type { ProxyState } from "../state.ts";
import { linesOf } from "./route-context.ts";

export interface Callers {
  /**
   * Asks the configured methods, once for each call and before anything is read.
   * @throws Problem rate-limited; unauthorized where every service asks for a proof, authentication-unavailable
   */
  identify(ctx: Context): Promise<void>;
  /** By the rules of a service and of its route of that name; null: of one that is not configured any more. @throws Problem unauthorized */
  principalFor(ctx: Context, service: Service | null, route?: string): Principal;
  /** @throws Problem forbidden: the credential does not allow it */
  demand(ctx: Context, scope: GrantScope): void;
}

export interface CallersDeps {
  readonly secret: KeyObject;
  readonly authenticator: Authenticator | null;
  readonly services: () => readonly Service[];
  /** null: nobody counts requests. */
  readonly rates: Rates | null;
}

export function createCallers({ secret, authenticator, services, rates }: CallersDeps): Callers {
  const stateOf = (ctx: Context): ProxyState => ctx.state as ProxyState;
  return {
    async identify(ctx) {
      const state = stateOf(ctx);
      if (authenticator !== null) state.proof = await authenticator.prove(askingOf(state));
      const { proof } = state;
      if (proof.kind === "proved") {
        const { subject } = proof.grant;
        state.client = { ...state.client, holder: holderOfPrincipal(subject) };
        state.logFields["principal"] = subject;
      }
      state.standing = countRequest(rates, state.client.holder);
      if (authenticator === null) return;
      const all = services();
      const isClosed = all.length > 0 && all.every((service) => service.authentication === "required");
      if (isClosed) grantOf(proof, "required", null);
    },
    principalFor(ctx, service, route) {
      const { proof } = stateOf(ctx);
      const grant =
        authenticator === null ? null : grantOf(proof, service?.authentication ?? "optional", null);
      const found = service?.routes.find(({ name }) => name === route) ?? null;
      const rules = service === null ? usualCredential : credentialRules(service, found);
      return principalOf(secret, linesOf(ctx), rules, grant?.subject ?? null);
    },
    demand(ctx, scope) {
      const { proof } = stateOf(ctx);
      demandScope(proof.kind === "proved" ? proof.grant : null, scope, null);
    },
  };
}
