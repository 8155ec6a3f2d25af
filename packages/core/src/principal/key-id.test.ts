import { expect } from "chai";
import { credentialValues } from "./credential.ts";
import { keyIdIn } from "./key-id.ts";

/** Of each scheme: an attempt, the next one, and one of another key. */
const schemes: Record<string, readonly [string, string, string]> = {
  "AWS SigV4": [
    "AWS4-HMAC-SHA256 Credential=AKIA1/20261201/eu/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=aa",
    "AWS4-HMAC-SHA256 Credential=AKIA1/20261202/eu/s3/aws4_request,SignedHeaders=host;x-amz-date,Signature=bb",
    "AWS4-HMAC-SHA256 Credential=AKIA2/20261201/eu/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=aa",
  ],
  "AWS version 2": [
    "AWS AKIA1:frJIUN8DYpKDtOLCwo=",
    "AWS AKIA1:qgk2+6Sv9/oM7G3=",
    "AWS AKIA2:frJIUN8DYpKDtOLCwo=",
  ],
  HMAC: [
    "HMAC-SHA256 Credential=app1&SignedHeaders=date;host&Signature=aa",
    "HMAC-SHA256 Credential=app1&SignedHeaders=date;host&Signature=bb",
    "HMAC-SHA256 Credential=app2&SignedHeaders=date;host&Signature=aa",
  ],
  "RFC 9421": [
    'sig1=("@method" "@path");created=1;keyid="k1";nonce="a"',
    'sig1=("@method" "@path");created=2;keyid="k1";nonce="b"',
    'sig1=("@method" "@path");created=1;keyid="k2";nonce="a"',
  ],
  "a draft of it": [
    'Signature keyId="k1",algorithm="hs2019",signature="aa"',
    'Signature keyId="k1",algorithm="hs2019",signature="bb"',
    'Signature keyId="k2",algorithm="hs2019",signature="aa"',
  ],
  "OAuth 1": [
    'OAuth oauth_consumer_key="c", oauth_token="t", oauth_nonce="1", oauth_signature="aa"',
    'OAuth oauth_nonce="2", oauth_consumer_key="c", oauth_token="t", oauth_signature="bb"',
    'OAuth oauth_consumer_key="c", oauth_token="u", oauth_nonce="1", oauth_signature="aa"',
  ],
  Digest: [
    'Digest username="a", realm="r", nonce="1", nc=00000001, response="aa"',
    'Digest username="a", realm="r", nonce="1", nc=00000002, response="bb"',
    'Digest username="b", realm="r", nonce="1", nc=00000001, response="aa"',
  ],
  Hawk: [
    'Hawk id="h1", ts="1", mac="aa"',
    'Hawk id="h1", ts="2", mac="bb"',
    'Hawk id="h2", ts="1", mac="aa"',
  ],
};

describe("the id of the key in a signed request", () => {
  for (const [scheme, [first, next, other]] of Object.entries(schemes))
    it(`${scheme}: stays over attempts, and differs by key`, () => {
      expect(keyIdIn(first)).to.equal(keyIdIn(next));
      expect(keyIdIn(first)).not.to.equal(keyIdIn(other));
      expect(keyIdIn(first)).not.to.equal(first);
    });

  it("a credential that holds no key id counts whole", () => {
    for (const value of ["Bearer abc", "Basic dXNlcjpwYXNz", "sk_live_1", ""])
      expect(keyIdIn(value)).to.equal(value);
  });

  it("is compared only where a route says so", () => {
    const [first] = schemes["AWS SigV4"]!;
    const values = (keyIds: boolean) =>
      credentialValues([["Authorization", first]], {
        credential: ["authorization"],
        ignoredCookies: [],
        keyIds,
      });
    expect(values(false)).to.deep.equal([first]);
    expect(values(true)).to.deep.equal(["key-id:AKIA1"]);
  });
});
