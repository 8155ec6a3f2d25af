import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import { defaultCachePolicy } from "./policy.ts";
import { judge } from "./storable.ts";
import { freshen, headEffect, mergeHeaders } from "./validation.ts";

const now = Date.UTC(2026, 10, 21);
function stored(headers: HeaderList, bodyBytes = 5) {
  const request = { method: "GET", path: "/", query: null, headers: [] };
  const response = { status: 200, headers: [["Cache-Control", "max-age=1"], ...headers] as HeaderList };
  const judgement = judge(
    request,
    response,
    defaultCachePolicy(),
    { requestAt: now, responseAt: now },
    {
      service: "s",
      url: "",
      generation: 1,
    },
  );
  if (!judgement.storable) throw new Error(judgement.reason);
  return { ...judgement.metadata, bodyBytes };
}
const date = "Sun, 06 Nov 1994 08:49:37 GMT";

describe("a 304 to our validation (RFC 9111 4.3.4, 3.2)", () => {
  it("updates the fields it has, adds new ones and keeps the others", () => {
    const merged = mergeHeaders(
      [
        ["A", "1"],
        ["B", "1"],
        ["b", "2"],
        ["C", "1"],
      ],
      [
        ["B", "3"],
        ["D", "4"],
      ],
    );
    expect(merged).to.deep.equal([
      ["A", "1"],
      ["C", "1"],
      ["B", "3"],
      ["D", "4"],
    ]);
  });
  const tags: readonly [stored: string | null, told: string | null, isIt: boolean][] = [
    ['"a"', '"a"', true],
    ['"a"', '"b"', false],
    ['"a"', 'W/"a"', true],
    ['"a"', 'W/"b"', false],
    ['W/"a"', 'W/"a"', true],
    ['W/"a"', 'W/"b"', false],
    ['W/"a"', '"a"', false],
    [null, '"a"', false],
    [null, 'W/"a"', false],
    ['"a"', null, true],
    [null, null, true],
  ];
  for (const [tag, told, isIt] of tags)
    it(`of the tag ${told} is ${isIt ? "" : "not "}about a stored response of the tag ${tag}`, () => {
      const line = (value: string | null): HeaderList => (value === null ? [] : [["ETag", value]]);
      const found = freshen(stored([...line(tag), ["Last-Modified", date]]), {
        status: 304,
        headers: line(told),
      });
      expect(found !== null).to.equal(isIt);
    });
  it("has the time of its receipt as Date when it has none (RFC 9110 6.6.1)", () => {
    const old = stored([
      ["Date", date],
      ["ETag", '"a"'],
    ]);
    const response = freshen(old, { status: 304, headers: [["ETag", '"a"']] });
    const request = { method: "GET", path: "/", query: null, headers: [] };
    const times = { requestAt: now, responseAt: now };
    const from = { service: "s", url: "", generation: 1 };
    const judgement = judge(request, response!, defaultCachePolicy(), times, from);
    if (!judgement.storable) throw new Error(judgement.reason);
    expect(judgement.metadata).to.include({ dateAt: now, initialAgeMs: 0 });
    expect(judgement.metadata.headers).to.deep.include(["Date", "Sat, 21 Nov 2026 00:00:00 GMT"]);
  });
  it("changes no representation metadata and adds no hop-by-hop field", () => {
    const merged = mergeHeaders(
      [["Content-Encoding", "gzip"]],
      [
        ["Content-Length", "0"],
        ["Content-Encoding", "br"],
        ["Content-Range", "x"],
        ["Connection", "X-Hop"],
        ["X-Hop", "1"],
        ["Transfer-Encoding", "chunked"],
      ],
    );
    expect(merged).to.deep.equal([["Content-Encoding", "gzip"]]);
  });
  const rows: readonly [string, HeaderList, HeaderList, boolean][] = [
    ["the same strong tag", [["ETag", '"a"']], [["ETag", '"a"']], true],
    ["another strong tag", [["ETag", '"a"']], [["ETag", '"b"']], false],
    ["a strong tag against a weak one", [["ETag", 'W/"a"']], [["ETag", '"a"']], false],
    ["the same weak tag", [["ETag", 'W/"a"']], [["ETag", 'W/"a"']], true],
    ["a tag where we have none", [["Last-Modified", date]], [["ETag", '"a"']], false],
    ["no validator", [["ETag", '"a"']], [], true],
    ["the same date", [["Last-Modified", date]], [["Last-Modified", date]], true],
    ["another date", [["Last-Modified", date]], [["Last-Modified", "Sun, 06 Nov 1994 08:49:38 GMT"]], false],
  ];
  for (const [what, ours, theirs, matches] of rows) {
    it(`${matches ? "is" : "is not"} about the stored response: ${what}`, () => {
      expect(freshen(stored(ours), { status: 304, headers: theirs }) !== null).to.equal(matches);
    });
  }
  it("keeps the stored status and the new Age for the judgement", () => {
    const fresh = freshen(stored([["ETag", '"a"']]), { status: 304, headers: [["Age", "3"]] })!;
    expect(fresh.status).to.equal(200);
    expect(fresh.headers).to.deep.include(["Age", "3"]);
  });
});

describe("a forwarded HEAD (RFC 9111 4.3.5)", () => {
  const base = stored([
    ["ETag", '"a"'],
    ["Last-Modified", date],
  ]);
  const rows: readonly [string, number, HeaderList, string][] = [
    [
      "the same representation",
      200,
      [
        ["ETag", '"a"'],
        ["Content-Length", "5"],
        ["X", "1"],
      ],
      "freshen",
    ],
    ["no validator", 200, [["X", "1"]], "freshen"],
    ["another tag", 200, [["ETag", '"b"']], "drop"],
    ["another date", 200, [["Last-Modified", "Sun, 06 Nov 1994 08:49:38 GMT"]], "drop"],
    ["another length", 200, [["Content-Length", "6"]], "drop"],
    ["gone", 410, [], "drop"],
    ["not found", 404, [], "drop"],
    ["an error", 503, [], "keep"],
    ["a redirect", 302, [], "keep"],
  ];
  for (const [what, status, headers, effect] of rows) {
    it(`${effect}: ${what}`, () => expect(headEffect(base, { status, headers }).effect).to.equal(effect));
  }
});
