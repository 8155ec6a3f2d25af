import { expect } from "chai";
import { isIdempotent, isSafe } from "./methods.ts";

describe("methods (RFC 9110 9.2)", () => {
  const table: [method: string, safe: boolean, idempotent: boolean][] = [
    ["GET", true, true],
    ["HEAD", true, true],
    ["OPTIONS", true, true],
    ["TRACE", true, true],
    ["PROPFIND", true, true],
    ["QUERY", true, true],
    ["REPORT", true, true],
    ["SEARCH", true, true],
    ["PUT", false, true],
    ["DELETE", false, true],
    ["MKCOL", false, true],
    ["POST", false, false],
    ["PATCH", false, false],
    ["LOCK", false, false],
    ["CONNECT", false, false],
    ["get", false, false],
    ["FOO", false, false],
  ];
  for (const [method, safe, idempotent] of table)
    it(`${method} is ${safe ? "safe" : "unsafe"} and ${idempotent ? "idempotent" : "not idempotent"}`, () => {
      expect(isSafe(method)).to.equal(safe);
      expect(isIdempotent(method)).to.equal(idempotent);
    });
});
