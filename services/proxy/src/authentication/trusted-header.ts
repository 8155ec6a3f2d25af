/** A field that an mTLS end or an authenticating proxy in front has set. From anybody else it proves nothing. */
import { addressSet } from "@sticky-proxy/core/http";
import {
  grantScopes,
  scopesIn,
  singleLine,
  subjectOf,
  type TrustedHeaderMethod,
} from "@sticky-proxy/core/principal";
import type { ProvingMethod } from "./method.ts";

export function trustedHeaderMethod({ field, scopesField, peers }: TrustedHeaderMethod): ProvingMethod {
  const isNamed = addressSet(peers);
  return function prove({ headers, client }) {
    const line = singleLine(headers, field);
    // The peer of the socket, and not what a forwarding field says about it.
    if (line === null || !isNamed(client.peer)) return { kind: "absent" };
    const subject = subjectOf(line);
    if (subject === null) return { kind: "refused", why: `${field} names nobody, or two` };
    const scopes = scopesField === null ? grantScopes : scopesIn(singleLine(headers, scopesField) ?? "");
    return { kind: "proved", grant: { subject, scopes, fields: [field] } };
  };
}
