import { expect } from "chai";
import { credentialDigest, credentialValues } from "./credential.ts";
import { usualIgnoredCookies } from "./ignored-cookies.ts";

describe("credentialValues", () => {
  it("reads header fields in any case and one cookie by its name", () => {
    const headers = [
      ["AUTHORIZATION", "Bearer a"],
      ["Cookie", "theme=dark; session=s1"],
      ["cookie", "session=s2; xsession=no"],
    ] as const;
    expect(
      credentialValues(headers, {
        credential: ["authorization", "cookie.session", "x-api-key"],
        ignoredCookies: [],
      }),
    ).to.deep.equal(["Bearer a", "s1\ns2", null]);
  });

  it("takes no notice of the case of an authentication scheme and the blanks after it", () => {
    const value = (line: string) =>
      credentialValues([["Authorization", line]], { credential: ["authorization"], ignoredCookies: [] })[0];
    for (const line of ["bearer a", "BEARER a", "Bearer  a", "bearer\ta"])
      expect(value(line)).to.equal("Bearer a");
    expect(value("Bearer A")).to.equal("Bearer A");
    expect(value("basic YTpi")).to.equal("Basic YTpi");
    expect(value("X-Own z")).to.equal(value("x-own z"));
    expect(value("lone-Token")).to.equal("lone-Token");
  });

  const cookies = (line: string, ignoredCookies: readonly string[] = usualIgnoredCookies): string | null =>
    credentialValues([["Cookie", line]], { credential: ["cookie"], ignoredCookies })[0]!;

  it("leaves ignored cookies out, so that a retry after another event counts as the same caller's", () => {
    for (const changed of [
      "_ga=GA1.2.1",
      "_ga_X1=GS1.1",
      "_gid=2",
      "_fbp=fb.1",
      "_hjSession_7=a",
      "AWSALB=x",
      "_dd_s=1",
    ])
      expect(cookies(`${changed}; sid=1`), changed).to.equal("sid=1");
    expect(cookies("_ga=1; _gid=2")).to.equal(null);
    expect(cookies("theme=dark; sid=1", ["theme"])).to.equal("sid=1");
    expect(cookies("_ga=1; sid=1", [])).to.equal("_ga=1; sid=1");
  });

  it("a line without an ignored cookie stays as it came, and a name counts whole", () => {
    expect(cookies("sid=1;theme=dark ;")).to.equal("sid=1;theme=dark ;");
    expect(cookies("x_ga=1; _gidx=2; sid=_ga")).to.equal("x_ga=1; _gidx=2; sid=_ga");
  });
});

describe("credentialDigest", () => {
  it("is empty without a credential and differs by value, place and secret", () => {
    expect(credentialDigest("s", [null, null])).to.equal("");
    expect(credentialDigest("s", [])).to.equal("");
    const digests = [
      credentialDigest("s", ["Bearer a", null]),
      credentialDigest("s", ["Bearer b", null]),
      credentialDigest("s", [null, "Bearer a"]),
      credentialDigest("s", ["", null]),
      credentialDigest("t", ["Bearer a", null]),
    ];
    expect(new Set(digests).size).to.equal(digests.length);
    expect(credentialDigest("s", ["Bearer a", null])).to.equal(digests[0]);
    expect(digests[0]).to.match(/^[A-Za-z0-9_-]{43}$/);
  });
});
