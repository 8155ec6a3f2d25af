import { expect } from "chai";
import { allowsOrigin, isPreflight, preflightFields, withCors, type CorsPolicy } from "./cors.ts";
import type { HeaderList } from "./message.ts";

const policy: CorsPolicy = {
  origins: ["https://app.test", "https://*.apps.test"],
  methods: ["GET", "PUT"],
  headers: ["content-type", "idempotency-key"],
  exposeHeaders: ["X-Pages"],
  credentials: false,
  maxAgeMs: 90_500,
};
const from = (origin: string): HeaderList => [["Origin", origin]];
const fieldsOf = (lines: HeaderList) =>
  Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value]));

describe("CORS", () => {
  for (const [origin, isAllowed] of [
    ["https://app.test", true],
    ["HTTPS://App.Test", true],
    ["http://app.test", false],
    ["https://app.test:444", false],
    ["https://app.test.evil", false],
    ["https://a.apps.test", true],
    ["https://a.b.apps.test", true],
    ["https://apps.test", false],
    ["https://evilapps.test", false],
    ["https://evil.test/.apps.test", false],
    ["https://evil.test#.apps.test", false],
    ["https://.apps.test", false],
    ["null", false],
  ] as const) {
    it(`${isAllowed ? "allows" : "does not allow"} ${origin}`, () => {
      expect(allowsOrigin(policy, origin)).to.equal(isAllowed);
      expect(allowsOrigin({ origins: ["*"] }, origin)).to.equal(true);
    });
  }

  it("a preflight is OPTIONS with both of its fields", () => {
    const asks: HeaderList = [...from("https://app.test"), ["Access-Control-Request-Method", "PUT"]];
    expect(isPreflight("OPTIONS", asks)).to.equal(true);
    expect(isPreflight("PUT", asks)).to.equal(false);
    expect(isPreflight("OPTIONS", from("https://app.test"))).to.equal(false);
  });

  it("a preflight is answered by the policy, whatever the request is for", () => {
    const asks: HeaderList = [
      ...from("https://app.test"),
      ["Access-Control-Request-Method", "DELETE"],
      ["Access-Control-Request-Headers", "x-any,content-type"],
    ];
    expect(fieldsOf(preflightFields(policy, asks)!)).to.include({
      "access-control-allow-methods": "GET, PUT",
      "access-control-allow-headers": "content-type, idempotency-key",
      "access-control-max-age": "90",
    });
    const open = preflightFields({ ...policy, headers: ["*"] }, asks)!;
    expect(fieldsOf(open)["access-control-allow-headers"]).to.equal("x-any,content-type");
    expect(preflightFields(policy, from("https://other.test"))).to.equal(null);
    expect(preflightFields(policy, [])).to.equal(null);
  });

  it("an answer has the policy's fields in place of the service's", () => {
    const service: HeaderList = [
      ["Access-Control-Allow-Origin", "*"],
      ["access-control-expose-headers", "x"],
      ["X-Own", "1"],
    ];
    const allowed = withCors(service, policy, from("https://app.test"));
    expect(allowed.filter(([name]) => name.toLowerCase() === "access-control-allow-origin")).to.have.length(
      1,
    );
    expect(fieldsOf(allowed)).to.include({
      "access-control-allow-origin": "https://app.test",
      vary: "Origin",
      "x-own": "1",
    });
    expect(fieldsOf(allowed)["access-control-expose-headers"]).to.match(
      /Location.*Sticky-Process-Id.*X-Pages$/,
    );
    expect(withCors(service, policy, from("https://other.test"))).to.deep.equal([
      ["X-Own", "1"],
      ["Vary", "Origin"],
    ]);
    expect(withCors(service, policy, [])).to.deep.equal([
      ["X-Own", "1"],
      ["Vary", "Origin"],
    ]);
  });

  it("for every origin the answer is one for all, unless credentials go along", () => {
    const forAll = { ...policy, origins: ["*"] };
    expect(fieldsOf(withCors([], forAll, from("https://x.test")))).to.include({
      "access-control-allow-origin": "*",
    });
    expect(fieldsOf(withCors([], forAll, []))).to.deep.equal({});
    const named = { ...policy, credentials: true };
    expect(fieldsOf(withCors([], named, from("https://app.test")))).to.include({
      "access-control-allow-origin": "https://app.test",
      "access-control-allow-credentials": "true",
    });
  });
});
