import { createSecretKey } from "node:crypto";
import { scopeOf } from "@sticky-proxy/core/idempotency";
import { principalOf, usualCredential } from "@sticky-proxy/core/principal";
import { testService } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { placesOfKey, type KeyQuery, type KnownNames } from "./find-by-key.ts";

const secret = createSecretKey(Buffer.alloc(32, 1));
const digest = (subject: string): string => principalOf(secret, [], usualCredential, subject).digest;
const at = (principal: string, host: string): string =>
  scopeOf(secret, { principal, service: "pay", host, identity: { kind: "key", key: "k-1" } });
const told = testService({
  name: "pay",
  match: { host: null, path: "/pay" },
  preserveHost: true,
  hostAliases: new Map([["www.shop.test", "shop.test"]]),
});
const query = (over: Partial<KeyQuery> = {}): KeyQuery => ({
  service: "pay",
  idempotencyKey: "k-1",
  ...over,
});
const names = (over: Partial<KnownNames> = {}): KnownNames => ({
  service: testService({ name: "pay" }),
  principals: [],
  hosts: ["api.test:8080"],
  ...over,
});

describe("where a key may stand", () => {
  it("of a service that is told no host, under the key alone", () => {
    expect(placesOfKey(secret, query(), names())).to.deep.equal([at("", "")]);
  });

  it("of one that is, under each of its names, and as before it was told", () => {
    expect(placesOfKey(secret, query(), names({ service: told }))).to.deep.equal([
      at("", "api.test"),
      at("", "shop.test"),
      at("", ""),
    ]);
    expect(placesOfKey(secret, query({ host: "WWW.shop.test:80" }), names({ service: told }))).to.deep.equal([
      at("", "shop.test"),
      at("", ""),
    ]);
  });

  it("of a principal that is named, under it alone; else of nobody and of all that are known", () => {
    expect(placesOfKey(secret, query({ principal: "ann" }), names())).to.deep.equal([at(digest("ann"), "")]);
    expect(placesOfKey(secret, query(), names({ principals: ["ann", "bob"] }))).to.deep.equal([
      at("", ""),
      at(digest("ann"), ""),
      at(digest("bob"), ""),
    ]);
  });

  it("of a service that is not configured any more, under the hosts that are known", () => {
    expect(placesOfKey(secret, query(), names({ service: null }))).to.deep.equal([
      at("", "api.test"),
      at("", ""),
    ]);
  });

  it("at 500 places at most", () => {
    const principals = Array.from({ length: 900 }, (_, i) => `p${i}`);
    expect(placesOfKey(secret, query(), names({ principals }))).to.have.lengthOf(500);
  });
});
