/** What makes a request the same as another one: its scope, and what is compared within it. Pure but for a random id. */
import type { Scope } from "@sticky-proxy/protocol";
import type { KeyObject } from "node:crypto";
import { fingerprint, namedHeaders, scopeOf } from "@sticky-proxy/core/idempotency";
import { headerValue, type RequestHead } from "@sticky-proxy/core/http";
import { provedDigest, type Principal } from "@sticky-proxy/core/principal";
import type { Service } from "@sticky-proxy/core/registry";
import type { SubmissionOptions } from "./submission-options.ts";

export interface Identified {
  readonly scope: Scope;
  readonly fingerprint: string;
  readonly credential: string;
}

export function identityOf(
  deps: { readonly secret: KeyObject; readonly newId: () => string },
  request: {
    readonly service: Pick<Service, "name">;
    readonly principal: Principal;
    readonly options: Pick<SubmissionOptions, "key" | "rules">;
    readonly head: RequestHead;
    readonly body: Uint8Array;
  },
): Identified {
  const { service, principal, options, head, body } = request;
  const { policy } = options.rules;
  const identity = { principal: provedDigest(principal), service: service.name };
  if (policy.identity === "none") {
    const scope = scopeOf(deps.secret, { ...identity, identity: { kind: "random", value: deps.newId() } });
    return { scope, fingerprint: "", credential: "" };
  }
  const value = fingerprint({
    method: head.method,
    path: head.path,
    query: head.query,
    contentType: headerValue(head.headers, "content-type"),
    body,
    headers: namedHeaders(head.headers, policy.fingerprintHeaders),
    // Identity `request`: two users never share a result. Identity `key`: compared like the payload.
    principal: policy.identity === "request" ? principal.digest : null,
  });
  const scope = scopeOf(deps.secret, {
    ...identity,
    identity: options.key !== null ? { kind: "key", key: options.key } : { kind: "fingerprint", value },
  });
  return { scope, fingerprint: value, credential: principal.digest };
}
