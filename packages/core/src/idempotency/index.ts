// What makes two requests the same.
export { fingerprint, fingerprintVersions, namedHeaders } from "./fingerprint.ts";
export { crc16, partitionOf, scopeOf } from "./scope.ts";
// What a known scope means for a new request.
export { verdictOf, type Claim, type Verdict } from "./verdict.ts";
