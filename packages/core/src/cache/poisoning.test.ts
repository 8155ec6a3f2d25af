import { expect } from "chai";
import type { HeaderList, RequestHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { isKeyed, keyedHead } from "./poisoning.ts";
import { defaultCachePolicy } from "./policy.ts";

const head = (headers: HeaderList, query: string | null = null): RequestHead => ({
  method: "GET",
  path: "/",
  query,
  headers,
});
const route = (more: Partial<CachePolicy> = {}): CachePolicy => ({ ...defaultCachePolicy(), ...more });
const sent = (headers: HeaderList, policy = route(), trusted = true): HeaderList =>
  keyedHead(head(headers), policy, trusted).headers;

describe("what of a request for a cached page reaches the service", () => {
  for (const name of [
    "X-FORWARDED-HOST",
    "Forwarded",
    "x-original-url",
    "X-Original-URI",
    "X-HTTP-Host-Override",
    "X-Url-Scheme",
    "Fastly-Client-IP",
    "X-Real-IP",
    "X-Middleware-Subrequest",
    "x-middleware-prefetch",
    "X-Invoke-Path",
    "x-invoke-status",
    "RSC",
    "Next-Router-State-Tree",
    "X_Forwarded_Host",
  ]) {
    it(`${name} does not, whoever sends it`, () => {
      for (const trusted of [true, false])
        expect(
          sent(
            [
              [name, "evil"],
              ["Accept", "x"],
            ],
            route(),
            trusted,
          ),
        ).to.deep.equal([["Accept", "x"]]);
    });
  }
  it("a field of the key does, in any spelling", () => {
    const lines = [
      ["X-Forwarded-Host", "a"],
      ["RSC", "1"],
    ] as const;
    expect(sent(lines, route({ keyHeaders: ["x-forwarded-host", "rsc"] }))).to.deep.equal(lines);
  });
  it("a field that never goes on is none of the key either: variants are chosen by what is sent", () => {
    const lines = [
      ["X-Forwarded-Host", "a"],
      ["X-Method-Override", "PUT"],
    ] as const;
    expect(sent(lines, route({ keyHeaders: ["x-forwarded-host", "x-method-override"] }), false)).to.be.empty;
  });

  const keyedOnly = route({
    forwardHeaders: "keyed-only",
    keyHeaders: ["accept-language"],
    keyCookies: ["plan"],
  });
  it("with keyed-only no field but those of the key and of the cache's own protocol", () => {
    const kept: HeaderList = [
      ["Host", "a"],
      ["Accept-Language", "de"],
      ["If-None-Match", '"1"'],
      ["Range", "bytes=0-1"],
      ["CDN-Loop", "b"],
      ["X-Forwarded-For", "10.0.0.1"],
    ];
    const gone: HeaderList = [
      ["User-Agent", "evil"],
      ["X-Anything", "evil"],
      ["Authorization", "evil"],
      ["Accept-Encoding", "evil"],
    ];
    expect(sent([...kept, ...gone], keyedOnly)).to.deep.equal(kept);
  });
  it("with keyed-only the cookies of the key alone, and no line where none is left", () => {
    expect(
      sent(
        [
          ["Cookie", "a=1; plan=free;b=2"],
          ["Cookie", "c=3"],
        ],
        keyedOnly,
      ),
    ).to.deep.equal([["Cookie", "plan=free"]]);
  });
  it("with keyed-only what makes a request pass by the cache, too", () => {
    const policy = { ...keyedOnly, bypass: { authorization: true, cookies: ["session"] } };
    const lines = [
      ["Authorization", "Bearer a"],
      ["Cookie", "session=1"],
    ] as const;
    expect(sent(lines, policy)).to.deep.equal(lines);
  });

  it("of the query the parameters of the key, in its order", () => {
    const rules = { sort: true, allow: null, deny: ["utm_*"] };
    const query = "b=2&utm_source=evil;c=evil&%75tm_x=evil&a=1";
    expect(keyedHead(head([], query), route({ query: rules }), false).query).to.equal("a=1&b=2");
  });

  describe("an answer to a POST", () => {
    const policy = route({ query: { sort: false, allow: ["a"], deny: [] } });
    it("may be stored where nothing went to the service that the key leaves out", () => {
      const lines = [
        ["Content-Type", "text/plain"],
        ["X-Forwarded-Proto", "https"],
      ] as const;
      expect(isKeyed(head(lines, "a=1"), policy)).to.equal(true);
    });
    it("may not after a parameter or a field outside the key", () => {
      expect(isKeyed(head([], "a=1&jsonp=evil"), policy)).to.equal(false);
      expect(isKeyed(head([["X-Host", "evil"]], "a=1"), policy)).to.equal(false);
    });
  });
});
