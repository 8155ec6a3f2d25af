/** The cache's lists, whole: as written by hand here, as they stand in the source, and what each member does. */
import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import { parseCacheControl, restricting } from "./cache-control.ts";
import { notIn304, notModifiedHeaders, preconditions, withoutConditions } from "./conditional.ts";
import { heuristicallyCacheable, isHeuristicallyCacheable } from "./freshness.ts";
import { defaultCachePolicy } from "./policy.ts";
import { keyedHead, protocol, unkeyed } from "./poisoning.ts";
import type { CachePolicy } from "../registry/service.ts";
import { keptFields, mergeHeaders } from "./validation.ts";
import { perRequest, varyNames } from "./variant.ts";

const other = ["X-Other", "1"] as const;
const sent = (headers: HeaderList, policy: Partial<CachePolicy>): HeaderList => {
  const head = { method: "GET", path: "/", query: null, headers };
  return keyedHead(head, { ...defaultCachePolicy(), ...policy }, true).headers;
};
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
    "base-url front-end-https next-url request-uri rsc x-arr-ssl x-envoy-original-host " +
      "x-envoy-original-path x-host x-host-override x-http-host-override x-http-path-override " +
      "x-matched-path x-now-route-matches x-original-path x-original-uri x-prerender-revalidate x-proxy-url " +
      "x-replaced-path x-rewrite-uri x-scheme x-script-name x-url-scheme x-vercel-original-path",
    (name) => {
      expect(sent(beside(name), { keyHeaders: ["x-mine"] })).to.deep.equal([other]);
      expect(sent(beside(name), { keyHeaders: [name] })).to.deep.equal(beside(name));
    },
  ],
  [
    "the cache's own protocol goes to the service even where nothing but the key does",
    protocol,
    "cache-control cdn-loop content-length host if-match if-modified-since if-none-match if-range " +
      "if-unmodified-since pragma range te traceparent tracestate transfer-encoding via x-request-id",
    (name) => {
      expect(sent(beside(name), { forwardHeaders: "keyed-only" })).to.deep.equal([beside(name)[0]]);
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
