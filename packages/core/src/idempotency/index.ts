// What makes two requests the same.
export { currentFingerprint, fingerprints, fingerprintVersions, namedHeaders } from "./fingerprint.ts";
export { crc16, partitionOf, scopeOf } from "./scope.ts";
// What a known scope means for a new request.
export { holdsScope, verdictOf, type Claim, type Verdict } from "./verdict.ts";
// The forms in which a body may come.
export { readContentType } from "./content-type.ts";
export { readMultipart } from "./multipart.ts";
