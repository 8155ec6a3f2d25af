import { expect } from "chai";
import type { HeaderList, RequestHead } from "../http/message.ts";
import { partOf, rangeWithin } from "./part.ts";
import { defaultCachePolicy } from "./policy.ts";
import { judge } from "./storable.ts";
import { answerFrom } from "./stored-answer.ts";
import { preference, variantOf } from "./variant.ts";

const get = (range: string, more: HeaderList = [], method = "GET"): RequestHead => ({
  method,
  path: "/",
  query: null,
  headers: [["Range", range], ...more],
});
const stored = {
  headers: [
    ["Content-Range", "bytes 10-19/100"],
    ["ETag", '"a"'],
  ] as HeaderList,
  dateAt: 0,
};

describe("a stored part (RFC 9111 3.3, RFC 9110 14.4)", () => {
  const fields: readonly [string, boolean][] = [
    ["bytes 0-9/100", true],
    ["BYTES 0-0/1", true],
    ["bytes 0-9/*", false],
    ["bytes */100", false],
    ["bytes 9-0/100", false],
    ["bytes 0-100/100", false],
    ["lines 0-9/100", false],
    ["bytes 0-9/100, bytes 20-29/100", false],
  ];
  for (const [text, isPart] of fields) {
    it(`${text} is ${isPart ? "one" : "none"}`, () => {
      expect(partOf([["Content-Range", text]]) !== null).to.equal(isPart);
    });
  }

  const ranges: readonly [string, readonly [number, number] | null][] = [
    ["bytes=10-19", [10, 19]],
    ["bytes=12-13", [12, 13]],
    ["bytes=9-13", null],
    ["bytes=12-20", null],
    ["bytes=12-", null],
    ["bytes=-5", null],
    ["bytes=100-", null],
    ["bytes=12-13, 15-16", null],
    ["lines=12-13", null],
  ];
  for (const [range, expected] of ranges) {
    it(`bytes 10-19 of 100 ${expected === null ? "cannot answer" : "answers"} ${range}`, () => {
      const found = rangeWithin(get(range), stored, 0);
      expect(found === null ? null : [found.first, found.last]).to.deep.equal(expected);
    });
  }
  it("a stored suffix satisfies a suffix range", () => {
    const end = { ...stored, headers: [["Content-Range", "bytes 90-99/100"]] as HeaderList };
    expect(rangeWithin(get("bytes=-10"), end, 0)).to.deep.equal({ first: 90, last: 99, length: 100 });
    expect(rangeWithin(get("bytes=95-"), end, 0)).to.deep.equal({ first: 95, last: 99, length: 100 });
  });
  it("a stored part needs a matching If-Range and answers neither other conditions nor HEAD", () => {
    expect(rangeWithin(get("bytes=10-11", [["If-Range", '"a"']]), stored, 0)).to.not.equal(null);
    expect(rangeWithin(get("bytes=10-11", [["If-Range", '"b"']]), stored, 0)).to.equal(null);
    expect(rangeWithin(get("bytes=10-11", [["If-None-Match", '"b"']]), stored, 0)).to.equal(null);
    expect(rangeWithin(get("bytes=10-11", [], "HEAD"), stored, 0)).to.equal(null);
  });

  it("a stored part is one variant's: by Vary, by the route's key fields and cookies, and never for a request without Range", () => {
    const policy = { ...defaultCachePolicy("conformance"), keyHeaders: ["x-site"], keyCookies: ["tenant"] };
    const request = get("bytes=10-19", [
      ["Accept-Language", "de"],
      ["X-Site", "a"],
      ["Cookie", "tenant=1; other=1"],
    ]);
    const headers: HeaderList = [
      ["Content-Range", "bytes 10-19/100"],
      ["Content-Length", "10"],
      ["Cache-Control", "max-age=60"],
      ["Vary", "Accept-Language"],
    ];
    const times = { requestAt: 0, responseAt: 0 };
    const from = { service: "s", url: "", generation: 1 };
    const judged = judge(request, { status: 206, headers }, policy, times, from);
    if (!judged.storable) throw new Error(judged.reason);
    const { variant, varyNames } = judged.metadata;
    const whole = judge(request, { status: 200, headers }, policy, times, from);
    if (!whole.storable) throw new Error(whole.reason);

    const selects = (name: string, value: string | null): boolean => {
      const others = request.headers.filter(([each]) => each !== name);
      return variantOf(value === null ? others : [...others, [name, value]], varyNames) === variant;
    };
    expect(selects("Accept-Language", "de"), "the same").to.equal(true);
    expect(selects("Range", "bytes=12-13"), "another range of it").to.equal(true);
    expect(selects("Cookie", "other=2; tenant=1"), "another cookie").to.equal(true);
    for (const [name, value] of [
      ["Accept-Language", "fr"],
      ["Accept-Language", null],
      ["X-Site", "b"],
      ["Cookie", "tenant=2; other=1"],
      ["Range", null],
    ] as const)
      expect(selects(name, value), `${name}: ${value}`).to.equal(false);
    // The whole is preferred, whatever it varies by.
    expect(preference(varyNames)).to.be.greaterThan(preference(whole.metadata.varyNames));
    expect(preference(varyNames)).to.be.greaterThan(preference([]));
    expect(preference([])).to.be.greaterThan(preference(["accept"]));
  });

  it("a stored part is cut where the asked range begins", () => {
    const part = { ...stored, status: 206, bodyBytes: 10 };
    expect(answerFrom(get("bytes=12-13"), part, 0)).to.deep.equal({
      as: "part",
      range: { first: 12, last: 13, length: 100 },
      skip: 2,
    });
    expect(answerFrom(get("bytes=10-10"), part, 0)).to.include({ as: "part", skip: 0 });
    expect(answerFrom(get("bytes=9-10"), part, 0)).to.deep.equal({ as: "full" });
    expect(answerFrom(get("bytes=12-13", [], "HEAD"), part, 0)).to.deep.equal({ as: "full" });
    const whole = { ...part, status: 200 };
    expect(answerFrom(get("bytes=2-3"), whole, 0)).to.deep.equal({ as: "range", first: 2, last: 3 });
    expect(answerFrom(get("bytes=2-3", [["If-None-Match", '"a"']]), whole, 0)).to.deep.equal({
      as: "not-modified",
    });
  });
});
