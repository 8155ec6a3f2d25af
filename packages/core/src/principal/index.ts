// Whose request it is.
export { nobody, principalOf, provedDigest, type Principal } from "./principal.ts";
export type { CredentialRules } from "./credential.ts";
export { usualCredential, usualIgnoredCookies } from "./ignored-cookies.ts";
// Whose process it is.
export { ownerToken, relationOf, type Relation } from "./owner.ts";
