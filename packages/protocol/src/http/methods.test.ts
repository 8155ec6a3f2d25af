import { expect } from "chai";
import { idempotent, isIdempotent, isSafe, safe } from "./methods.ts";

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

  it("every method that the registry calls safe or idempotent is one, and no other spelling of it", () => {
    const safeByHand = "GET HEAD OPTIONS TRACE PRI PROPFIND QUERY REPORT SEARCH".split(" ");
    const idempotentByHand = (
      "PUT DELETE ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT COPY LABEL LINK MERGE MKACTIVITY MKCALENDAR MKCOL " +
      "MKREDIRECTREF MKWORKSPACE MOVE ORDERPATCH PROPPATCH REBIND UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE " +
      "UPDATEREDIRECTREF VERSION-CONTROL"
    ).split(" ");
    expect([...safe].toSorted()).to.deep.equal(safeByHand.toSorted());
    expect([...idempotent].toSorted()).to.deep.equal(idempotentByHand.toSorted());
    for (const method of safeByHand)
      expect([isSafe(method), isIdempotent(method)]).to.deep.equal([true, true]);
    for (const method of idempotentByHand)
      expect([isSafe(method), isIdempotent(method)], method).to.deep.equal([false, true]);
    for (const method of [...safeByHand, ...idempotentByHand].map((name) => name.toLowerCase()))
      expect([isSafe(method), isIdempotent(method)], method).to.deep.equal([false, false]);
  });
});
