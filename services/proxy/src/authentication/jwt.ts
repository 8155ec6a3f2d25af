/** JSON Web Tokens (RFC 7519, RFC 8725). The algorithm comes from our list, never from the token alone. */
import { jwtVerify, errors, type JWTVerifyGetKey } from "jose";
import {
  bearerOf,
  scopesIn,
  subjectOf,
  grantScopes,
  type JwtMethod,
  type Proof,
} from "@sticky-proxy/core/principal";
import { KeysAway } from "./jwks.ts";
import type { MethodDeps, ProvingMethod } from "./method.ts";

const shape = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/;
const maxTokenLength = 8192;

export function jwtMethod(
  policy: JwtMethod,
  keyOf: JWTVerifyGetKey,
  clock: MethodDeps["clock"],
): ProvingMethod {
  return async function prove({ headers }): Promise<Proof> {
    const token = bearerOf(headers);
    if (token === null || !shape.test(token)) return { kind: "absent" };
    if (token.length > maxTokenLength) return { kind: "refused", why: "the token is too long" };
    try {
      const { payload } = await jwtVerify(token, keyOf, {
        algorithms: [...policy.algorithms],
        issuer: policy.issuer,
        audience: [...policy.audience],
        clockTolerance: policy.clockSkewMs / 1000,
        currentDate: new Date(clock.now()),
        requiredClaims: ["exp", policy.principalClaim],
      });
      const subject = subjectOf(payload[policy.principalClaim]);
      if (subject === null) return { kind: "refused", why: `${policy.principalClaim} names nobody` };
      const scopes = policy.scopesClaim === null ? grantScopes : scopesIn(payload[policy.scopesClaim]);
      return { kind: "proved", grant: { subject, scopes, fields: ["authorization"] } };
    } catch (error) {
      if (error instanceof KeysAway) return { kind: "unavailable", why: error.message };
      // The code names what was wrong; messages and tokens stay out of logs.
      return {
        kind: "refused",
        why: error instanceof errors.JOSEError ? error.code : "the token is malformed",
      };
    }
  };
}
