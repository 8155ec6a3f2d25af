import { expect } from "chai";
import { answersCondition, conditionFailed, isCondition, isRefusedWrite } from "./conditions.ts";

describe("conditions of a request that is copied", () => {
  it("fields that name versions or bytes of the primary are conditions, others are not", () => {
    const names = [
      "if-match",
      "if-none-match",
      "if-modified-since",
      "if-unmodified-since",
      "if-range",
      "range",
    ];
    const vendors = [
      "if",
      "if-schedule-tag-match",
      "x-goog-if-generation-match",
      "x-ms-if-tags",
      "x-ms-range",
    ];
    for (const name of [...names, ...vendors]) expect(isCondition(name), name).to.equal(true);
    for (const name of ["content-range", "accept-ranges", "x-notif-id", "x-range-of-years", "etag", "iff"])
      expect(isCondition(name), name).to.equal(false);
  });

  it("304, 412 and 428 say that nothing was written, a conflict does not say it for its versions", () => {
    expect([304, 412, 428].map(conditionFailed)).to.deep.equal([true, true, true]);
    expect([null, 200, 206, 404, 409, 416].some(conditionFailed)).to.equal(false);
  });

  it("206, 304, 412 and 416 are compared only where the request had no condition", () => {
    for (const status of [206, 304, 412, 416]) {
      expect(answersCondition(status, [["If-None-Match", '"1"']]), String(status)).to.equal(true);
      expect(answersCondition(status, [["Accept", "*/*"]]), String(status)).to.equal(false);
      expect(answersCondition(status, null), String(status)).to.equal(true);
    }
    expect(answersCondition(200, [["Range", "bytes=0-1"]])).to.equal(false);
  });

  it("a write that only the secondary refused is told from reads and from what both refused", () => {
    expect(isRefusedWrite("PUT", 200, 409)).to.equal(true);
    expect(isRefusedWrite("POST", null, 422)).to.equal(true);
    expect(isRefusedWrite("DELETE", 303, 404)).to.equal(true);
    expect(isRefusedWrite("GET", 200, 404)).to.equal(false);
    expect(isRefusedWrite("PUT", 409, 409)).to.equal(false);
    expect(isRefusedWrite("PUT", 201, 200)).to.equal(false);
  });
});
