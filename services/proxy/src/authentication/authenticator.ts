/** Asks the configured methods in their order, and says what a service's mode makes of their word. */
import {
  maySend,
  type Authentication,
  type AuthenticationMode,
  type Grant,
  type GrantScope,
  type Proof,
} from "@sticky-proxy/core/principal";
import { isSafe } from "@sticky-proxy/protocol/http";
import { Problem } from "@sticky-proxy/protocol";
import type { ApiKeys } from "./api-keys.ts";
import { apiKeyMethod } from "./api-keys.ts";
import { clientCertificateMethod } from "./client-certificate.ts";
import { forwardAuthMethod } from "./forward-auth.ts";
import { createJwks } from "./jwks.ts";
import { jwtMethod } from "./jwt.ts";
import type { Asking, MethodDeps, ProvingMethod } from "./method.ts";
import { trustedHeaderMethod } from "./trusted-header.ts";

export interface Authenticator {
  readonly policy: Authentication;
  /** The first method's word that is not "absent"; a refusal or silence gives way to a later proof. Never rejects. */
  prove(asking: Asking): Promise<Proof>;
}

export interface AuthenticatorDeps extends MethodDeps {
  readonly apiKeys: Pick<ApiKeys, "find">;
}

/** null: no method is configured. */
export function createAuthenticator(policy: Authentication, deps: AuthenticatorDeps): Authenticator | null {
  if (policy.methods.length === 0) return null;
  const methods = policy.methods.map((method): ProvingMethod => {
    switch (method.type) {
      case "api-key":
        return apiKeyMethod(method, deps.apiKeys, deps.clock);
      case "jwt":
        return jwtMethod(method, createJwks(method, deps), deps.clock);
      case "trusted-header":
        return trustedHeaderMethod(method);
      case "client-certificate":
        return clientCertificateMethod(method);
      case "forward-auth":
        return forwardAuthMethod(method, deps);
    }
  });
  return {
    policy,
    async prove(asking) {
      let worst: Proof = { kind: "absent" };
      for (const method of methods) {
        const proof = await method(asking);
        if (proof.kind === "proved") return proof;
        if (worst.kind === "absent" || proof.kind === "unavailable") worst = proof;
      }
      return worst;
    },
  };
}

/**
 * What a proof is worth where this mode holds; null: nobody has to be proved, and nobody was.
 * @throws Problem unauthorized, service-unavailable (fail closed)
 */
export function grantOf(proof: Proof, mode: AuthenticationMode, service: string | null): Grant | null {
  if (mode === "off") return null;
  const named = service === null ? {} : { service };
  switch (proof.kind) {
    case "proved":
      return proof.grant;
    case "absent":
      if (mode === "optional") return null;
      throw new Problem("unauthorized", {
        ...named,
        detail: "The request has no credential that this gateway knows.",
        headers: { "WWW-Authenticate": challenge() },
      });
    case "refused":
      throw new Problem("unauthorized", {
        ...named,
        detail: "The credential does not hold.",
        headers: { "WWW-Authenticate": challenge("invalid_token") },
      });
    case "unavailable":
      throw new Problem("authentication-unavailable", { ...named, headers: { "Retry-After": "1" } });
  }
}

/** @throws Problem forbidden */
export function demandScope(grant: Grant | null, scope: GrantScope, service: string | null): void {
  if (grant === null || grant.scopes.includes(scope)) return;
  throw insufficient(scope, service);
}

/** @throws Problem forbidden: the grant does not allow to send such a request to a service */
export function demandSending(grant: Grant | null, method: string, service: string): void {
  if (grant === null || maySend(grant.scopes, isSafe(method))) return;
  throw insufficient(isSafe(method) ? "read" : "submit", service);
}

function insufficient(scope: GrantScope, service: string | null): Problem {
  return new Problem("forbidden", {
    ...(service === null ? {} : { service }),
    detail: `The credential does not allow this: it lacks the scope ${scope}.`,
    headers: { "WWW-Authenticate": challenge("insufficient_scope", scope) },
  });
}

/** RFC 6750 3. */
function challenge(error?: "invalid_token" | "insufficient_scope", scope?: string): string {
  const parameters = ['realm="sticky-proxy"'];
  if (error !== undefined) parameters.push(`error="${error}"`);
  if (scope !== undefined) parameters.push(`scope="${scope}"`);
  return `Bearer ${parameters.join(", ")}`;
}
