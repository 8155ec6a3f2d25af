import { expect } from "chai";
import { defaultCachePolicy } from "../cache/policy.ts";
import { unkeyedPolicy } from "../process/rules.ts";
import { testRoute, testService } from "../testing/test-world.ts";
import { fieldsNamedBy } from "./named-fields.ts";

describe("the fields that a service's configuration names", () => {
  it("are those of credential, fingerprint, key, callback, mirror order and set fields", () => {
    const callback = { ...unkeyedPolicy.callback, inject: { query: null, json: null, header: "x-notify" } };
    const service = testService({
      credential: ["x-account", "cookie.sid"],
      routes: [
        testRoute({ process: { ...unkeyedPolicy, fingerprintHeaders: ["x-tenant"], callback } }),
        testRoute({
          cache: { ...defaultCachePolicy(), keyHeaders: ["x-country"] },
          headers: { request: new Map([["x-set", "1"]]), response: new Map() },
        }),
      ],
    });
    expect([...fieldsNamedBy(service)]).to.have.members([
      "x-account",
      "cookie.sid",
      "x-tenant",
      "x-notify",
      "x-country",
      "x-set",
    ]);
    expect(fieldsNamedBy(service)).to.equal(fieldsNamedBy(service));
  });
});
