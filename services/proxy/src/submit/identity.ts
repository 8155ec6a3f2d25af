/** What makes a request the same as another one: its scope, and what is compared within it. Pure but for a random id. */
import type { Scope } from "@sticky-proxy/protocol";
import type { KeyObject } from "node:crypto";
import { fingerprints, namedHeaders, scopeOf } from "@sticky-proxy/core/idempotency";
import { headerValue, type RequestHead } from "@sticky-proxy/core/http";
import { provedDigest, type Principal } from "@sticky-proxy/core/principal";
import { identityHost, type ProcessPolicy, type Service } from "@sticky-proxy/core/registry";
import { decodedBody } from "@sticky-proxy/engine";
import type { FormerScopes } from "./former-scopes.ts";
import type { SubmissionOptions } from "./submission-options.ts";

/** Where the same request stood before principal or host entered the scopes of its service, and what was compared there. */
export interface FormerPlace {
  readonly scope: Scope;
  readonly fingerprint: string;
  readonly otherFingerprint: string | null;
  readonly credential: string;
}

export interface Identified {
  readonly scope: Scope;
  readonly fingerprint: string;
  /** Where a replica that writes the other version of the fingerprint has put the same request; null: it is the same place. */
  readonly otherScope: Scope | null;
  /** null: both versions say the same. */
  readonly otherFingerprint: string | null;
  readonly credential: string;
  /** Looked at first; empty: the scopes have long been what they are. */
  readonly former: readonly FormerPlace[];
}

export interface IdentityDeps {
  readonly secret: KeyObject;
  readonly newId: () => string;
  /** Every live replica can compare the current version of the fingerprint, so it may be written. */
  readonly writesCurrentFingerprint: () => boolean;
  readonly formerScopes: FormerScopes;
}

export interface IdentityRequest {
  readonly service: Pick<Service, "name" | "hostAliases" | "match" | "preserveHost">;
  readonly principal: Principal;
  /** Authority of the request. */
  readonly host: string;
  readonly options: Pick<SubmissionOptions, "key" | "rules">;
  readonly head: RequestHead;
  readonly body: Uint8Array;
}

/** Whose request, at which host, and as whose it is compared. */
interface Place {
  readonly principal: string;
  readonly host: string;
  readonly credential: string;
}

export function identityOf(deps: IdentityDeps, request: IdentityRequest): Identified {
  const { service, principal, options } = request;
  const { policy } = options.rules;
  const host = identityHost(service, request.host);
  const place: Place = { principal: provedDigest(principal), host, credential: principal.digest };
  if (policy.identity === "none") {
    const at = { principal: place.principal, service: service.name, host };
    const scope = scopeOf(deps.secret, { ...at, identity: { kind: "random", value: deps.newId() } });
    return { scope, fingerprint: "", otherScope: null, otherFingerprint: null, credential: "", former: [] };
  }
  const former = formerPlaces(deps, service.name, principal, place).map((at) =>
    identifiedAt(deps, request, at),
  );
  return { ...identifiedAt(deps, request, place), former };
}

/** Without what has entered the scopes lately: the principal, the host, or both. */
function formerPlaces(
  { formerScopes }: IdentityDeps,
  service: string,
  principal: Principal,
  place: Place,
): Place[] {
  const unproved = { principal: "", credential: principal.credential };
  const wasOpen = place.principal !== "" && formerScopes.mayHold(service, "principal");
  const wasHostless = place.host !== "" && formerScopes.mayHold(service, "host");
  return [
    ...(wasOpen ? [{ ...place, ...unproved }] : []),
    ...(wasHostless ? [{ ...place, host: "" }] : []),
    ...(wasOpen && wasHostless ? [{ ...unproved, host: "" }] : []),
  ];
}

function identifiedAt(
  deps: IdentityDeps,
  { service, options, head, body }: IdentityRequest,
  { principal, host, credential }: Place,
): Omit<Identified, "former"> {
  const { key, rules } = options;
  const { policy } = rules;
  const input = {
    method: head.method,
    path: head.path,
    query: head.query,
    contentType: headerValue(head.headers, "content-type"),
    body,
    headers: namedHeaders(head.headers, policy.fingerprintHeaders),
    // Identity `request`: two users never share a result. Identity `key`: compared like the payload.
    principal: policy.identity === "request" ? credential : null,
  };
  const { current, former } = fingerprints(input, withoutCoding(head, body), ignoredBy(policy));
  const scopeBy = (value: string): Scope =>
    scopeOf(deps.secret, {
      principal,
      service: service.name,
      host,
      identity: key !== null ? { kind: "key", key } : { kind: "fingerprint", value },
    });
  if (current === former)
    return {
      scope: scopeBy(current),
      fingerprint: current,
      otherScope: null,
      otherFingerprint: null,
      credential,
    };
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
