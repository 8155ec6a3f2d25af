/** What makes a request the same as another one: its scope, and what is compared within it. Pure but for a random id. */
import type { Scope } from "@sticky-proxy/protocol";
import type { KeyObject } from "node:crypto";
import { fingerprints, namedHeaders, scopeOf } from "@sticky-proxy/core/idempotency";
import { headerValue, type RequestHead } from "@sticky-proxy/core/http";
import { provedDigest, type Principal } from "@sticky-proxy/core/principal";
import type { ProcessPolicy, Service } from "@sticky-proxy/core/registry";
import { decodedBody } from "@sticky-proxy/engine";
import type { SubmissionOptions } from "./submission-options.ts";

export interface Identified {
  readonly scope: Scope;
  readonly fingerprint: string;
  /** Where a replica that writes the other version of the fingerprint has put the same request; null: it is the same place. */
  readonly otherScope: Scope | null;
  /** null: both versions say the same. */
  readonly otherFingerprint: string | null;
  readonly credential: string;
}

export interface IdentityDeps {
  readonly secret: KeyObject;
  readonly newId: () => string;
  /** Every live replica can compare the current version of the fingerprint, so it may be written. */
  readonly writesCurrentFingerprint: () => boolean;
}

export function identityOf(
  deps: IdentityDeps,
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
  const place = { principal: provedDigest(principal), service: service.name };
  const same = { otherScope: null, otherFingerprint: null };
  if (policy.identity === "none") {
    const scope = scopeOf(deps.secret, { ...place, identity: { kind: "random", value: deps.newId() } });
    return { scope, fingerprint: "", credential: "", ...same };
  }
  const input = {
    method: head.method,
    path: head.path,
    query: head.query,
    contentType: headerValue(head.headers, "content-type"),
    body,
    headers: namedHeaders(head.headers, policy.fingerprintHeaders),
    // Identity `request`: two users never share a result. Identity `key`: compared like the payload.
    principal: policy.identity === "request" ? principal.digest : null,
  };
  const { current, former } = fingerprints(input, withoutCoding(head, body), ignoredBy(policy));
  const { key } = options;
  const scopeBy = (value: string): Scope =>
    scopeOf(deps.secret, {
      ...place,
      identity: key !== null ? { kind: "key", key } : { kind: "fingerprint", value },
    });
  const credential = principal.digest;
  if (current === former) return { scope: scopeBy(current), fingerprint: current, credential, ...same };
  const [written, other] = deps.writesCurrentFingerprint() ? [current, former] : [former, current];
  return {
    scope: scopeBy(written),
    fingerprint: written,
    otherScope: key === null ? scopeBy(other) : null,
    otherFingerprint: other,
    credential,
  };
}

/** What cannot be decoded within bounds is compared by its coded bytes. */
function withoutCoding({ headers }: RequestHead, body: Uint8Array): Uint8Array {
  if (body.length === 0 || headerValue(headers, "content-encoding") === null) return body;
  return decodedBody(headers, body) ?? body;
}

/** A key in the body is the scope: whether the rest is the same request is another question. */
function ignoredBy({ fingerprintIgnore, keyFrom }: ProcessPolicy): ProcessPolicy["fingerprintIgnore"] {
  if (keyFrom === null || "header" in keyFrom) return fingerprintIgnore;
  const pointer = "json" in keyFrom ? keyFrom.json : [keyFrom.form];
  return { ...fingerprintIgnore, members: [...fingerprintIgnore.members, pointer] };
}
