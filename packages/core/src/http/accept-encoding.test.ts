import { expect } from "chai";
import { acceptsCodings } from "./accept-encoding.ts";

describe("Accept-Encoding (RFC 9110 12.5.3)", () => {
  for (const [field, codings, isAccepted] of [
    [null, ["gzip"], false],
    [null, [], true],
    ["", ["gzip"], false],
    ["identity", ["gzip"], false],
    ["gzip", ["gzip"], true],
    ["GZIP", ["gzip"], true],
    ["gzip, br", ["br"], true],
    ["br;q=1.0, gzip;q=0.5", ["gzip"], true],
    ["gzip;q=0", ["gzip"], false],
    ["gzip; q=0.000", ["gzip"], false],
    ["*", ["zstd"], true],
    ["*;q=0, gzip", ["gzip"], true],
    ["*;q=0, gzip", ["br"], false],
    ["gzip", ["x-gzip"], true],
    ["gzip", ["deflate", "gzip"], false],
    ["gzip, deflate", ["deflate", "gzip"], true],
  ] as const)
    it(`${field ?? "no field"} ${isAccepted ? "accepts" : "does not accept"} ${codings.join(", ") || "identity"}`, () => {
      expect(acceptsCodings(field === null ? [] : [["Accept-Encoding", field]], codings)).to.equal(
        isAccepted,
      );
    });
});
