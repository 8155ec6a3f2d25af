// Whose request it is.
export { nobody, principalOf, provedDigest, type Principal } from "./principal.ts";
export { credentialRules, withoutCookies } from "./rules.ts";
export type { CredentialRules } from "./credential.ts";
export { usualCredential, usualIgnoredCookies } from "./ignored-cookies.ts";
// Whose process it is.
export { ownerToken, relationOf, type Relation } from "./owner.ts";
// How clients prove who they are, and what they may therefore do.
export { apiKeyDigest, apiKeyText, isApiKeyText, type ApiKey } from "./api-key.ts";
export {
  bearerOf,
  headersToService,
  jwtAlgorithms,
  singleLine,
  type ApiKeyMethod,
  type Authentication,
  type AuthenticationMethod,
  type AuthenticationMode,
  type ClientCertificateMethod,
  type ForwardAuthMethod,
  type JwtMethod,
  type TrustedHeaderMethod,
} from "./authentication.ts";
export { certificateNames, subjectOfCertificate, type ClientCertificate } from "./certificate.ts";
export {
  grantScopes,
  maySend,
  scopesIn,
  subjectOf,
  type Grant,
  type GrantScope,
  type Proof,
} from "./grant.ts";
export { tokenKeys, type TokenKeys } from "./token-keys.ts";
