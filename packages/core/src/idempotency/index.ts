export { credentialValues } from "./credential.ts";
export { credentialDigest, fingerprint, namedHeaders } from "./fingerprint.ts";
export { crc16, partitionOf, scopeOf } from "./scope.ts";
export { verdictOf, type Claim, type Verdict } from "./verdict.ts";
