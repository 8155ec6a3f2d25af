/** How clients prove who they are, after configuration, and what a service sees of it. */
import type { CertificateName } from "./certificate.ts";
import { headerLines, type HeaderLine, type HeaderList } from "../http/message.ts";
import type { Grant } from "./grant.ts";

/** `off`: nobody is asked. `optional`: a credential of the gateway's own kinds has to hold. `required`: there must be one. */
export type AuthenticationMode = "off" | "optional" | "required";

export interface ApiKeyMethod {
  readonly type: "api-key";
  /** Lower-case names of fields that carry a key; in Authorization after "Bearer". */
  readonly fields: readonly string[];
}

/** Asymmetric ones only: whoever can check a token of HMAC can make one. */
export const jwtAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
] as const;

export interface JwtMethod {
  readonly type: "jwt";
  readonly jwksUrl: string;
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly algorithms: readonly (typeof jwtAlgorithms)[number][];
  readonly principalClaim: string;
  /** null: a token has every scope. */
  readonly scopesClaim: string | null;
  readonly clockSkewMs: number;
  /** How long the last keys serve when the issuer does not answer. */
  readonly keysMaxAgeMs: number;
}

export interface TrustedHeaderMethod {
  readonly type: "trusted-header";
  readonly field: string;
  /** null: every scope. */
  readonly scopesField: string | null;
  /** CIDR blocks whose word counts. */
  readonly peers: readonly string[];
}

export interface ForwardAuthMethod {
  readonly type: "forward-auth";
  readonly url: string;
  /** Lower-case names of the request's fields that are shown to it. */
  readonly requestFields: readonly string[];
  /** Field of its answer that names the principal. */
  readonly principalField: string;
  readonly scopesField: string | null;
  readonly cacheMs: number;
  readonly timeoutMs: number;
}

export interface ClientCertificateMethod {
  readonly type: "client-certificate";
  /** Which name of the certificate is the principal. */
  readonly principal: CertificateName;
}

export type AuthenticationMethod =
  | ApiKeyMethod
  | JwtMethod
  | TrustedHeaderMethod
  | ForwardAuthMethod
  | ClientCertificateMethod;

export interface Authentication {
  /** Tried in order; empty: authentication is off. */
  readonly methods: readonly AuthenticationMethod[];
  /** Lower-case name of the field under which the principal goes to services; null: it does not. */
  readonly principalField: string | null;
  /** Lower-case names of further fields by which services may be told an identity: never a client's own word. */
  readonly identityFields: readonly string[];
}

/**
 * The request as the service gets it: without the credential that was proved (unless the route forwards it), without
 * identity fields of the client's own, and with the principal where the configuration names a field for it. What
 * Connection says about that field does not count: the client must not strip it.
 */
export function headersToService(
  headers: HeaderList,
  authentication: Authentication,
  grant: Grant | null,
  forwardsCredential: boolean,
): HeaderList {
  const { principalField } = authentication;
  const dropped = new Set(ownIdentityFields(authentication));
  if (!forwardsCredential) for (const name of grant?.fields ?? []) dropped.add(name);
  const kept: HeaderLine[] = [];
  for (const line of headers) {
    const name = line[0].toLowerCase();
    // A service behind CGI cannot tell X_User from X-User.
    if (dropped.has(name) || dropped.has(name.replaceAll("_", "-"))) continue;
    kept.push(name === "connection" && principalField !== null ? withoutOption(line, principalField) : line);
  }
  if (grant !== null && principalField !== null) kept.push([principalField, fieldText(grant.subject)]);
  return kept;
}

function ownIdentityFields({ methods, principalField, identityFields }: Authentication): string[] {
  const named = methods.flatMap((method) =>
    method.type === "trusted-header"
      ? [method.field, ...(method.scopesField === null ? [] : [method.scopesField])]
      : [],
  );
  return [...identityFields, ...named, ...(principalField === null ? [] : [principalField])];
}

function withoutOption([name, value]: HeaderLine, option: string): HeaderLine {
  const kept = value.split(",").filter((part) => part.trim().toLowerCase() !== option);
  return [name, kept.join(",").trim() || "close"];
}

/** Visible ASCII as it is, "%" and everything else percent-encoded, so that two subjects never look alike. */
function fieldText(subject: string): string {
  return subject.replace(/[^\x21-\x7e]|%/gu, (character) =>
    character.isWellFormed() ? encodeURIComponent(character) : "%EF%BF%BD",
  );
}

/** The one line of a field that must name somebody; null: absent; "": more than one line. */
export function singleLine(headers: HeaderList, name: string): string | null {
  const lines = headerLines(headers, name);
  if (lines.length === 0) return null;
  return lines.length > 1 ? "" : lines[0]!.trim();
}

/** What Authorization carries after "Bearer"; null: something else, or nothing. */
export function bearerOf(headers: HeaderList): string | null {
  const line = singleLine(headers, "authorization");
  return line === null ? null : (/^bearer +(\S+)$/i.exec(line)?.[1] ?? null);
}
