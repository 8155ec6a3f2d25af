/** The cache's lists, whole: as written by hand here, as they stand in the source, and what each member does. */
import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import { parseCacheControl, restricting } from "./cache-control.ts";
import { notIn304, notModifiedHeaders, preconditions, withoutConditions } from "./conditional.ts";
import { heuristicallyCacheable, isHeuristicallyCacheable } from "./freshness.ts";
import { unkeyed, withoutUnkeyed } from "./poisoning.ts";
import { keptFields, mergeHeaders } from "./validation.ts";
import { perRequest, varyNames } from "./variant.ts";

const other = ["X-Other", "1"] as const;
const beside = (name: string): HeaderList => [[name.toUpperCase(), "new"], other];

const lists: readonly (readonly [
  what: string,
  source: ReadonlySet<string>,
  byHand: string,
  holds: (name: string) => void,
])[] = [
  [
    "by a field that differs in every request no two are alike: Vary with it is as good as *",
    perRequest,
    "forwarded traceparent tracestate x-forwarded-for x-real-ip x-request-id",
    (name) => {
      for (const value of [name, name.toUpperCase(), `Accept, ${name}`])
        expect(varyNames([["Vary", value]]), value).to.equal(null);
    },
  ],
  [
    "a field that could poison goes to the service only where it is part of the key",
    unkeyed,
    "forwarded x-forwarded-host x-forwarded-scheme x-forwarded-proto x-forwarded-port x-forwarded-prefix " +
      "x-forwarded-server x-forwarded-ssl x-host x-original-host x-original-url x-rewrite-url x-http-method " +
      "x-http-method-override x-method-override front-end-https",
    (name) => {
      expect(withoutUnkeyed(beside(name), { keyHeaders: ["x-mine"] })).to.deep.equal([other]);
      expect(withoutUnkeyed(beside(name), { keyHeaders: [name] })).to.deep.equal(beside(name));
    },
  ],
  [
    "the client's own condition or range is judged here, not by the service",
    preconditions,
    "if-match if-none-match if-modified-since if-unmodified-since if-range range",
    (name) => expect(withoutConditions(beside(name))).to.deep.equal([other]),
  ],
  [
    "a 304 says nothing of the representation (RFC 9110 15.4.5)",
    notIn304,
    "content-length content-type content-encoding content-language content-range",
    (name) => expect(notModifiedHeaders(beside(name))).to.deep.equal([other]),
  ],
  [
    "a newer message does not change what describes the stored body (RFC 9111 3.2)",
    keptFields,
    "content-length content-encoding content-range",
    (name) => expect(mergeHeaders([[name, "old"]], beside(name))).to.deep.equal([[name, "old"], other]),
  ],
  [
    "a directive that restricts counts in a member that is no directive, and then in its most careful form",
    restricting,
    "no-store no-cache private must-revalidate proxy-revalidate max-age s-maxage stale-while-revalidate stale-if-error",
    (name) => {
      const upper = name.toUpperCase();
      expect([...parseCacheControl([`x-y; ${upper}`])], "bare").to.deep.equal([[name, null]]);
      expect([...parseCacheControl([`${upper}=60; x`])], "with an argument").to.deep.equal([
        [name, "invalid"],
      ]);
    },
  ],
];

describe("a list of the cache", () => {
  for (const [what, source, byHand, holds] of lists)
    it(what, () => {
      const names = byHand.split(" ");
      expect([...source].toSorted()).to.deep.equal(names.toSorted());
      for (const name of names) holds(name);
    });

  it("statuses with a heuristic lifetime are those of RFC 9110 15.1", () => {
    const byHand = [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501];
    expect([...heuristicallyCacheable]).to.deep.equal(byHand);
    for (let status = 100; status < 600; status += 1)
      expect(isHeuristicallyCacheable(status), String(status)).to.equal(byHand.includes(status));
  });

  it("a member that is no directive allows nothing", () => {
    expect([...parseCacheControl(["x; public", "immutable; y", "z; must-understand"])]).to.deep.equal([]);
  });
});
