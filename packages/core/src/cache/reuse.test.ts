import { expect } from "chai";
import fc from "fast-check";
import type { HeaderList, RequestHead } from "../http/message.ts";
import type { CachePolicy } from "../registry/service.ts";
import { defaultCachePolicy } from "./policy.ts";
import { isErrorStatus } from "./fallback.ts";
import { decide, type CacheDecision, type CacheKnown } from "./reuse.ts";
import { judge } from "./storable.ts";
import { answerFrom } from "./stored-answer.ts";
import type { StoredMetadata } from "./stored-metadata.ts";

const start = Date.UTC(2026, 10, 21, 8, 0, 0);
const safe = defaultCachePolicy();
const conformance = defaultCachePolicy("conformance");
const request = (headers: HeaderList = [], method = "GET"): RequestHead => ({
  method,
  path: "/a",
  query: null,
  headers,
});
const asks = (value: string) => request([["Cache-Control", value]]);

function stored(control: string, headers: HeaderList = [["ETag", '"a"']]): StoredMetadata {
  const response = { status: 200, headers: [["Cache-Control", control], ...headers] as HeaderList };
  const judgement = judge(
    request(),
    response,
    conformance,
    { requestAt: start, responseAt: start },
    {
      service: "s",
      url: "",
      generation: 1,
    },
  );
  if (!judgement.storable) throw new Error(judgement.reason);
  return judgement.metadata;
}

const nothing: CacheKnown = { stored: null, softPurgedAt: null, otherVariants: false, unshareable: null };

function decided(
  head: RequestHead,
  response: StoredMetadata | null,
  seconds: number,
  policy: CachePolicy = conformance,
  known: Partial<CacheKnown> = {},
): CacheDecision {
  return decide(head, { ...nothing, stored: response, ...known }, policy, start + seconds * 1000);
}

const word = (decision: CacheDecision): string =>
  decision.action === "serve"
    ? decision.why
    : decision.action === "bypass"
      ? decision.reason
      : decision.action === "refuse"
        ? "refuse"
        : `${decision.action} ${decision.cause}`;

describe("the decision on a request (RFC 9111 4)", () => {
  const swr = "max-age=60, stale-while-revalidate=30";
  const table: readonly [string, RequestHead, StoredMetadata | null, number, string][] = [
    ["nothing stored", request(), null, 0, "fetch uri-miss"],
    ["fresh", request(), stored("max-age=60"), 59, "fresh"],
    ["fresh, for HEAD", request([], "HEAD"), stored("max-age=60"), 59, "fresh"],
    ["the lifetime's end is stale (4.2)", request(), stored("max-age=60"), 60, "validate stale"],
    ["stale without a validator", request(), stored("max-age=60", []), 61, "fetch stale"],
    [
      "no-cache is always validated (5.2.2.4)",
      request(),
      stored("no-cache, max-age=60"),
      1,
      "validate stale",
    ],
    ["a HEAD is never a validation of the GET", request([], "HEAD"), stored("max-age=60"), 61, "fetch stale"],
    ["request no-cache (5.2.1.4)", asks("no-cache"), stored("max-age=60"), 1, "validate request"],
    [
      "Pragma: no-cache (5.4)",
      request([["Pragma", "no-cache"]]),
      stored("max-age=60"),
      1,
      "validate request",
    ],
    ["request max-age, older (5.2.1.1)", asks("max-age=5"), stored("max-age=60"), 6, "validate request"],
    ["request max-age, younger", asks("max-age=5"), stored("max-age=60"), 4, "fresh"],
    ["request max-age=0", asks("max-age=0"), stored("max-age=60"), 0, "validate request"],
    ["request max-age that is no number", asks("max-age=x"), stored("max-age=60"), 0, "validate request"],
    [
      "request min-fresh, too little left (5.2.1.3)",
      asks("min-fresh=10"),
      stored("max-age=60"),
      51,
      "validate request",
    ],
    ["request min-fresh, enough left", asks("min-fresh=10"), stored("max-age=60"), 50, "fresh"],
    [
      "request max-stale without a limit (5.2.1.2)",
      asks("max-stale"),
      stored("max-age=60"),
      600,
      "max-stale",
    ],
    ["request max-stale, within", asks("max-stale=10"), stored("max-age=60"), 70, "max-stale"],
    ["request max-stale, past", asks("max-stale=10"), stored("max-age=60"), 71, "validate stale"],
    [
      "request max-stale against must-revalidate (4.2.4)",
      asks("max-stale"),
      stored("max-age=60, must-revalidate"),
      61,
      "validate stale",
    ],
    [
      "request max-stale against proxy-revalidate",
      asks("max-stale"),
      stored("max-age=60, proxy-revalidate"),
      61,
      "validate stale",
    ],
    ["request max-stale against s-maxage", asks("max-stale"), stored("s-maxage=60"), 61, "validate stale"],
    [
      "request max-stale against no-cache",
      asks("max-stale"),
      stored("no-cache, max-age=60"),
      1,
      "validate stale",
    ],
    ["request no-store (5.2.1.5)", asks("no-store"), stored("max-age=60"), 1, "no-store"],
    ["only-if-cached, fresh (5.2.1.7)", asks("only-if-cached"), stored("max-age=60"), 1, "fresh"],
    ["only-if-cached, stale", asks("only-if-cached"), stored("max-age=60"), 61, "refuse"],
    ["only-if-cached, nothing", asks("only-if-cached"), null, 0, "refuse"],
    ["only-if-cached with no-store", asks("only-if-cached, no-store"), stored("max-age=60"), 1, "refuse"],
    ["only-if-cached, max-stale", asks("only-if-cached, max-stale"), stored("max-age=60"), 61, "max-stale"],
    ["directives in any case", asks("ONLY-IF-CACHED"), null, 0, "refuse"],
    ["an unknown directive", asks("foo=bar"), stored("max-age=60"), 1, "fresh"],
    ["stale-while-revalidate, within (RFC 5861 3)", request(), stored(swr), 89, "stale-while-revalidate"],
    ["stale-while-revalidate, past", request(), stored(swr), 90, "validate stale"],
    [
      "stale-while-revalidate against must-revalidate",
      request(),
      stored(`${swr}, must-revalidate`),
      61,
      "validate stale",
    ],
    ["stale-while-revalidate against request no-cache", asks("no-cache"), stored(swr), 61, "validate stale"],
    [
      "stale-while-revalidate against request max-age",
      asks("max-age=600"),
      stored(swr),
      61,
      "validate stale",
    ],
    [
      "Authorization, response for all (3.5)",
      request([["Authorization", "x"]]),
      stored("public, max-age=60"),
      1,
      "fresh",
    ],
    [
      "Authorization, response not for all",
      request([["Authorization", "x"]]),
      stored("max-age=60"),
      1,
      "fetch request",
    ],
    ["POST", request([], "POST"), stored("max-age=60"), 1, "method"],
    ["an unknown method", request([], "FROB"), stored("max-age=60"), 1, "method"],
    ["methods are case-sensitive", request([], "get"), stored("max-age=60"), 1, "method"],
    ["a GET with a body", request([["Content-Length", "3"]]), stored("max-age=60"), 1, "body"],
    [
      "If-Match is the origin's to judge (RFC 9110 13.1.1)",
      request([["If-Match", '"a"']]),
      stored("max-age=60"),
      1,
      "precondition",
    ],
    ["a range of nothing stored", request([["Range", "bytes=0-1"]]), null, 0, "fetch uri-miss"],
    ["a range of a fresh response", request([["Range", "bytes=0-1"]]), stored("max-age=60"), 1, "fresh"],
    [
      "a range of a stale response",
      request([["Range", "bytes=0-1"]]),
      stored("max-age=60"),
      61,
      "validate stale",
    ],
  ];
  for (const [what, head, response, seconds, expected] of table) {
    it(`${expected}: ${what}`, () => expect(word(decided(head, response, seconds))).to.equal(expected));
  }

  it("a request that selects no stored variant is a vary-miss (RFC 9211 2.2)", () => {
    expect(word(decided(request(), null, 0, conformance, { otherVariants: true }))).to.equal(
      "fetch vary-miss",
    );
  });
  for (const { what, fields, known = {}, kept } of [
    { what: "a condition on a cold key", fields: [["If-None-Match", '"x"']], kept: false },
    {
      what: "a date on a cold key",
      fields: [["If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"]],
      kept: false,
    },
    { what: "the whole as a range", fields: [["Range", "bytes=0-"]], kept: false },
    { what: "a part", fields: [["Range", "bytes=0-1"]], kept: true },
    { what: "the end of something", fields: [["Range", "bytes=-500"]], kept: true },
    { what: "nothing", fields: [], kept: false },
    {
      what: "a condition with a credential",
      fields: [
        ["If-None-Match", '"x"'],
        ["Authorization", "Bearer a"],
      ],
      kept: true,
    },
    {
      what: "a condition with a cookie",
      fields: [
        ["If-None-Match", '"x"'],
        ["Cookie", "sid=1"],
      ],
      kept: true,
    },
    {
      what: "a condition where the last response could not be shared",
      fields: [["If-None-Match", '"x"']],
      known: { unshareable: "private" },
      kept: true,
    },
    {
      what: "the whole as a range where the last response was too large",
      fields: [["Range", "bytes=0-"]],
      known: { unshareable: "too-large" },
      kept: true,
    },
  ] satisfies { what: string; fields: [string, string][]; known?: object; kept: boolean }[]) {
    it(`${kept ? "the service judges" : "what comes is judged here"}: ${what}`, () => {
      const decision = decided(request(fields), null, 0, undefined, known);
      expect(decision.action).to.equal("fetch");
      expect(decision).to.include({ keepConditions: kept });
      expect(decision.action === "fetch" && decision.fills && kept).to.equal(false);
    });
  }
  it("a condition is not forwarded beside a stored response (RFC 9111 4.3.2)", () => {
    expect(decided(request([["If-None-Match", '"x"']]), stored("max-age=60", []), 61)).to.include({
      keepConditions: false,
    });
  });
  it("a HEAD on a cold key fills the cache and is collapsed; beside a stored response it is a HEAD", () => {
    const head = { ...request(), method: "HEAD" };
    expect(decided(head, null, 0)).to.include({ fills: true, collapse: true });
    expect(decided(head, stored("max-age=60", []), 61)).to.include({ collapse: false });
  });
  it("a validation sends both validators (RFC 9111 4.3.1)", () => {
    const both = stored("max-age=60", [
      ["ETag", 'W/"a"'],
      ["Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"],
    ]);
    const decision = decided(request(), both, 61);
    expect(decision.action === "validate" && decision.conditions).to.deep.equal([
      ["If-None-Match", 'W/"a"'],
      ["If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"],
    ]);
  });
  it("only stale-while-revalidate starts a background revalidation", () => {
    const refresh = (head: RequestHead, seconds: number) => {
      const decision = decided(head, stored(swr), seconds);
      return decision.action === "serve" && decision.refresh;
    };
    expect(refresh(request(), 61)).to.equal(true);
    expect(refresh(request(), 59)).to.equal(false);
  });
  it("a soft purge ends the lifetime at its time and keeps the stale windows", () => {
    const at = (softPurgedAt: number, seconds: number) =>
      word(
        decided(request(), stored(swr), seconds, conformance, { softPurgedAt: start + softPurgedAt * 1000 }),
      );
    expect(at(5, 5)).to.equal("stale-while-revalidate");
    expect(at(5, 34)).to.equal("stale-while-revalidate");
    expect(at(5, 35)).to.equal("validate stale");
  });

  describe("collapsing requests", () => {
    const collapse = (decision: CacheDecision) => "collapse" in decision && decision.collapse;
    it("requests without credentials are collapsed", () =>
      expect(collapse(decided(request(), null, 0))).to.equal(true));
    it("requests for a stale response are collapsed", () =>
      expect(collapse(decided(request(), stored("max-age=60"), 61))).to.equal(true));
    const notCollapsed: readonly [string, CacheDecision][] = [
      ["with Authorization", decided(request([["Authorization", "x"]]), null, 0)],
      ["with Cookie", decided(request([["Cookie", "a=b"]]), null, 0)],
      ["behind a hit-for-miss marker", decided(request(), null, 0, conformance, { unshareable: "no-store" })],
      ["for a part, nothing stored", decided(request([["Range", "bytes=5-9"]]), null, 0)],
      [
        "with a credential and a condition, nothing stored",
        decided(
          request([
            ["Authorization", "x"],
            ["If-None-Match", '"x"'],
          ]),
          null,
          0,
        ),
      ],
      ["with the method HEAD beside something stale", decided(request([], "HEAD"), stored("max-age=60"), 61)],
      ["for what is validated each time", decided(request(), stored("no-cache"), 1)],
      ["for what has no lifetime", decided(request(), stored("max-age=0"), 1)],
      ["asking for no-cache, nothing stored", decided(asks("no-cache"), null, 0)],
      ["asking for a limited age, nothing stored", decided(asks("max-age=9"), null, 0)],
      ["asking for freshness to be left, nothing stored", decided(asks("min-fresh=9"), null, 0)],
      ["asking for no-cache", decided(asks("no-cache"), stored("max-age=60"), 1)],
    ];
    for (const [what, decision] of notCollapsed)
      it(`a request ${what} is not collapsed`, () => expect(collapse(decision)).to.equal(false));
    it("requests with credentials are collapsed where the route allows it", () => {
      const policy = { ...conformance, collapseCredentials: true };
      expect(collapse(decided(request([["Cookie", "a=b"]]), null, 0, policy))).to.equal(true);
    });
  });

  describe("when the service fails (RFC 5861 4, RFC 9111 4.2.4)", () => {
    const fallback = (control: string, seconds: number, policy = safe, head = request()) => {
      const decision = decided(head, stored(control), seconds, policy);
      return "fallback" in decision
        ? [decision.fallback.onErrorStatus, decision.fallback.onDisconnect]
        : null;
    };
    const rows: readonly [string, string, number, CachePolicy, RequestHead, [boolean, boolean]][] = [
      ["stale-if-error, within", "max-age=1, stale-if-error=60", 60, safe, request(), [true, true]],
      ["stale-if-error, past", "max-age=1, stale-if-error=60", 61, safe, request(), [false, false]],
      ["nothing said, safe", "max-age=1", 2, safe, request(), [false, false]],
      ["nothing said, conformance", "max-age=1", 2, conformance, request(), [true, true]],
      [
        "a window that was named is past, conformance",
        "max-age=1, stale-if-error=60",
        61,
        conformance,
        request(),
        [false, false],
      ],
      ["nothing said, conformance, after a day", "max-age=1", 86_402, conformance, request(), [false, false]],
      [
        "must-revalidate",
        "max-age=1, must-revalidate, stale-if-error=60",
        2,
        conformance,
        request(),
        [false, false],
      ],
      ["proxy-revalidate", "max-age=1, proxy-revalidate", 2, conformance, request(), [false, false]],
      ["s-maxage", "s-maxage=1, stale-if-error=60", 2, conformance, request(), [false, false]],
      ["no-cache", "no-cache, stale-if-error=60", 2, conformance, request(), [false, false]],
      ["request no-cache", "max-age=1, stale-if-error=60", 2, conformance, asks("no-cache"), [false, false]],
      ["request stale-if-error", "max-age=1", 2, safe, asks("stale-if-error=60"), [true, true]],
    ];
    for (const [what, control, seconds, policy, head, expected] of rows) {
      it(`${what}: ${expected.join(" ")}`, () => {
        expect(fallback(control, seconds, policy, head)).to.deep.equal(expected);
      });
    }
    it("stale reuse is forbidden with must-revalidate once stale, and always with no-cache (RFC 9111 5.2.2.2)", () => {
      const isForbidden = (control: string, seconds: number, head = request()) => {
        const decision = decided(head, stored(control), seconds, conformance);
        return "fallback" in decision ? decision.fallback.isForbidden : null;
      };
      for (const word of ["must-revalidate", "proxy-revalidate", "s-maxage=1"])
        expect(isForbidden(`max-age=1, ${word}`, 2), word).to.equal(true);
      expect(isForbidden("max-age=60, no-cache", 2)).to.equal(true);
      expect(isForbidden("max-age=1", 2)).to.equal(false);
      expect(isForbidden("max-age=60, must-revalidate", 2, asks("no-cache"))).to.equal(false);
      expect(isForbidden("max-age=1, no-cache", 2, request([["Authorization", "a"]]))).to.equal(false);
    });
    it("exactly 500, 502, 503 and 504 are masked by stale-if-error", () => {
      const errors = Array.from({ length: 500 }, (_, i) => i + 100).filter(isErrorStatus);
      expect(errors).to.deep.equal([500, 502, 503, 504]);
    });
  });

  it("a stale response is served only where a window or the client allows it and no directive prohibits it", () => {
    const control = fc.record({
      maxAge: fc.nat(50),
      never: fc.constantFrom("", ", must-revalidate", ", proxy-revalidate", ", s-maxage=3"),
      swr: fc.option(fc.nat(50)),
    });
    const asked = fc.constantFrom("", "max-stale", "max-stale=9", "max-age=4", "min-fresh=2", "no-cache");
    fc.assert(
      fc.property(control, asked, fc.nat(200), ({ maxAge, never, swr: window }, ask, seconds) => {
        const text = `max-age=${maxAge}${never}${window === null ? "" : `, stale-while-revalidate=${window}`}`;
        const response = stored(text);
        const decision = decided(asks(ask), response, seconds);
        const isStale = seconds * 1000 >= response.lifetimeMs;
        if (decision.action !== "serve") return;
        expect(ask).to.not.equal("no-cache");
        if (!isStale) return;
        expect(never).to.equal("");
        expect(ask.startsWith("max-stale") || window !== null).to.equal(true);
      }),
    );
  });
});

describe("how a stored response answers (RFC 9110 13.2.2)", () => {
  const response = { ...stored("max-age=60"), bodyBytes: 10 };
  it("conditions are evaluated before a range", () => {
    const head = request([
      ["If-None-Match", '"a"'],
      ["Range", "bytes=0-1"],
    ]);
    expect(answerFrom(head, response, start)).to.deep.equal({ as: "not-modified" });
  });
  it("Range applies to GET only", () => {
    const range: HeaderList = [["Range", "bytes=0-1"]];
    expect(answerFrom(request(range), response, start)).to.deep.equal({ as: "range", first: 0, last: 1 });
    expect(answerFrom(request(range, "HEAD"), response, start)).to.deep.equal({ as: "full" });
  });
});
