import { expect } from "chai";
import { credentialValues } from "./credential.ts";

describe("credentialValues", () => {
  it("reads header fields in any case and one cookie by its name", () => {
    const headers = [
      ["AUTHORIZATION", "Bearer a"],
      ["Cookie", "theme=dark; session=s1"],
      ["cookie", "session=s2; xsession=no"],
    ] as const;
    expect(credentialValues(headers, ["authorization", "cookie.session", "x-api-key"])).to.deep.equal([
      "Bearer a",
      "s1\ns2",
      null,
    ]);
  });
});
