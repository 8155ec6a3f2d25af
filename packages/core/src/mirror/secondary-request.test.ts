import { expect } from "chai";
import { requestToCopy, secondaryHeaders } from "./secondary-request.ts";

describe("secondaryHeaders", () => {
  const headers = [
    ["Accept", "*/*"],
    ["Authorization", "Bearer x"],
    ["Cookie", "a=1"],
    ["X-API-Key", "k"],
    ["X-Auth-Token", "t"],
    ["X-Caller", "me"],
    ["Content-Type", "application/json"],
  ] as const;

  it("drops credentials, also those that only this service counts as such", () => {
    const kept = secondaryHeaders(headers, "drop", ["x-caller"]).map(([name]) => name);
    expect(kept).to.deep.equal(["Accept", "Content-Type"]);
    expect(secondaryHeaders(headers, "drop", ["cookie.sid"]).map(([name]) => name)).not.to.contain("Cookie");
  });

  for (const name of [
    "Ocp-Apim-Subscription-Key",
    "X-JWT-Assertion",
    "Cf-Access-Jwt-Assertion",
    "X-Goog-IAP-JWT-Assertion",
    "X-MS-Client-Principal",
    "X-MS-Client-Principal-Name",
    "X-Amzn-Oidc-Identity",
    "X-Functions-Key",
    "X-Forwarded-Client-Cert",
    "X-ARR-ClientCert",
    "Client-Cert-Chain",
    "X-Endpoint-API-UserInfo",
    "X-Auth-Request-User",
    "Remote-User",
    "X-Forwarded-Email",
    "X-Tenant-Pass",
    "DPoP",
    "Signature-Input",
    "X-CSRF-Token",
    "Proxy-Authorization",
  ])
    it(`${name} proves who the client is and is not copied`, () => {
      expect(secondaryHeaders([[name, "v"]], "drop", [])).to.deep.equal([]);
    });

  it("fields that only describe the request are copied", () => {
    const plain = [
      "Accept-Language",
      "Idempotency-Key",
      "Content-Range",
      "X-Request-Id",
      "Traceparent",
      "User-Agent",
      "X-Partition-Key",
      "X-Tenant",
      "Author",
      "X-Passenger",
      "X-Bypass-Cache",
      "Prefer",
      "X-Service-Version",
    ].map((name) => [name, "v"] as const);
    expect(secondaryHeaders(plain, "drop", [])).to.deep.equal(plain);
  });

  it("keeps everything where the route forwards credentials", () => {
    expect(secondaryHeaders(headers, "forward", [])).to.deep.equal(headers);
  });

  it("drops conditions and ranges in any case, also where credentials are forwarded", () => {
    const conditions = ["If-Match", "IF-NONE-MATCH", "If-Unmodified-Since", "Range"].map(
      (name) => [name, '"4"'] as const,
    );
    expect(secondaryHeaders([...conditions, ...headers], "forward", [])).to.deep.equal(headers);
    expect(secondaryHeaders(conditions, "drop", [])).to.deep.equal([]);
  });

  it("what is kept for a copy alone has no credential, and still its order key", () => {
    const head = {
      method: "POST",
      path: "/",
      query: null,
      headers: [...headers, ["X-Session-Id", "s"] as const],
    };
    const kept = requestToCopy(
      { head, key: "k", body: new Uint8Array(1) },
      { orderKey: { header: "x-session-id" } },
      ["x-caller"],
    );
    expect(kept.head.headers.map(([name]) => name)).to.deep.equal(["Accept", "Content-Type", "X-Session-Id"]);
    expect(kept).to.include({ key: "k", lacksCredentials: true });
    expect(kept.body).to.have.length(1);
  });
});
