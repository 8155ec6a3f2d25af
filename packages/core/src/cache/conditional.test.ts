import { expect } from "chai";
import type { HeaderList } from "../http/message.ts";
import {
  hasCondition,
  hasOriginPrecondition,
  isNotModified,
  isPreconditionFailed,
  notModifiedHeaders,
  validationFields,
  withoutConditions,
} from "./conditional.ts";

const date = "Sun, 06 Nov 1994 08:49:37 GMT";
const later = "Sun, 06 Nov 1994 08:49:38 GMT";
const earlier = "Sun, 06 Nov 1994 08:49:36 GMT";
const dateAt = Date.UTC(1994, 10, 6, 8, 49, 37);
const now = dateAt + 1_000_000;

describe("the client's conditions (RFC 9111 4.3.2)", () => {
  const strong: HeaderList = [
    ["ETag", '"a"'],
    ["Last-Modified", date],
  ];
  const rows: readonly [string, HeaderList, HeaderList, boolean][] = [
    ["the same tag", [["If-None-Match", '"a"']], strong, true],
    ["another tag", [["If-None-Match", '"b"']], strong, false],
    ["one of several", [["If-None-Match", '"b", "a"']], strong, true],
    [
      "one of several lines",
      [
        ["If-None-Match", '"b"'],
        ["If-None-Match", '"a"'],
      ],
      strong,
      true,
    ],
    ["weak against strong (9110 8.8.3.2)", [["If-None-Match", 'W/"a"']], strong, true],
    ["strong against weak", [["If-None-Match", '"a"']], [["ETag", 'W/"a"']], true],
    ["a tag with a comma inside", [["If-None-Match", '"x, y"']], [["ETag", '"x, y"']], true],
    [
      "a tag that ends in a backslash, which escapes nothing (9110 8.8.3)",
      [["If-None-Match", '"a\\", "b"']],
      [["ETag", '"a\\"']],
      true,
    ],
    ["a tag behind one that ends in a backslash", [["If-None-Match", '"b\\", "a"']], strong, true],
    ["a weak tag with a comma inside", [["If-None-Match", '"b", W/"x, y"']], [["ETag", 'W/"x, y"']], true],
    ["a tag in another case", [["If-None-Match", '"A"']], strong, false],
    ["a tag without its quotes", [["If-None-Match", "a"]], strong, false],
    ["a star", [["If-None-Match", "*"]], [], true],
    ["a tag where none is stored", [["If-None-Match", '"a"']], [], false],
    [
      "a date is not looked at beside a tag (9110 13.1.3)",
      [
        ["If-None-Match", '"b"'],
        ["If-Modified-Since", later],
      ],
      strong,
      false,
    ],
    ["the same date", [["If-Modified-Since", date]], strong, true],
    ["a later date", [["If-Modified-Since", later]], strong, true],
    ["an earlier date", [["If-Modified-Since", earlier]], strong, false],
    ["no date", [["If-Modified-Since", "0"]], strong, false],
    [
      "two dates",
      [
        ["If-Modified-Since", date],
        ["If-Modified-Since", date],
      ],
      strong,
      false,
    ],
    ["Date stands in for Last-Modified", [["If-Modified-Since", date]], [], true],
    ["Date stands in, earlier asked", [["If-Modified-Since", earlier]], [], false],
    ["no condition", [], strong, false],
  ];
  for (const [what, request, headers, expected] of rows) {
    it(`${expected ? "304" : "200"}: ${what}`, () => {
      expect(isNotModified(request, { status: 200, headers, dateAt }, now)).to.equal(expected);
    });
  }
  it("only a stored 200 is answered with 304", () => {
    expect(isNotModified([["If-None-Match", "*"]], { status: 404, headers: strong, dateAt }, now)).to.equal(
      false,
    );
  });
  it("a 304 has no representation metadata (RFC 9110 15.4.5)", () => {
    const names = (headers: HeaderList) => notModifiedHeaders(headers).map(([name]) => name);
    expect(
      names([
        ["Content-Type", "x"],
        ["ETag", '"a"'],
        ["Last-Modified", date],
        ["Content-Location", "/"],
        ["X", "1"],
      ]),
    ).to.deep.equal(["ETag", "Content-Location", "X"]);
    expect(names([["Last-Modified", date]])).to.deep.equal(["Last-Modified"]);
  });
  it("the unconditional request has neither conditions nor Range", () => {
    const request: HeaderList = [
      ["If-None-Match", "a"],
      ["IF-RANGE", "a"],
      ["Range", "bytes=0-"],
      ["Accept", "x"],
    ];
    expect(withoutConditions(request)).to.deep.equal([["Accept", "x"]]);
  });
});

describe("the conditions of whoever is the origin (RFC 9110 13.2.2)", () => {
  const strong: HeaderList = [
    ["ETag", '"a"'],
    ["Last-Modified", date],
  ];
  const weak: HeaderList = [["ETag", 'W/"a"']];
  const rows: readonly [what: string, request: HeaderList, stored: HeaderList, fails: boolean][] = [
    ["no condition", [], strong, false],
    ["the same tag", [["If-Match", '"a"']], strong, false],
    ["one of several tags", [["If-Match", '"b", "a"']], strong, false],
    ["another tag", [["If-Match", '"b"']], strong, true],
    ["a weak tag never matches, not even itself", [["If-Match", 'W/"a"']], weak, true],
    ["a weak tag for a strong one", [["If-Match", 'W/"a"']], strong, true],
    ["a tag where there is none", [["If-Match", '"a"']], [], true],
    ["a star", [["If-Match", "*"]], weak, false],
    ["changed after the date", [["If-Unmodified-Since", earlier]], strong, true],
    ["unchanged since the date", [["If-Unmodified-Since", date]], strong, false],
    ["unchanged since a later date", [["If-Unmodified-Since", later]], strong, false],
    ["a date that is none", [["If-Unmodified-Since", "junk"]], strong, false],
    ["a representation without a date", [["If-Unmodified-Since", earlier]], weak, false],
    [
      "two dates",
      [
        ["If-Unmodified-Since", earlier],
        ["If-Unmodified-Since", earlier],
      ],
      strong,
      false,
    ],
    [
      "a date beside a tag that holds",
      [
        ["If-Match", '"a"'],
        ["If-Unmodified-Since", earlier],
      ],
      strong,
      false,
    ],
  ];
  for (const [what, request, headers, fails] of rows)
    it(`${fails ? "412" : "goes on"}: ${what}`, () => {
      expect(isPreconditionFailed(request, { status: 200, headers, dateAt }, now)).to.equal(fails);
    });

  it("each condition is the cache's or the origin's to judge, and one of both is enough", () => {
    const judges = (...names: string[]): boolean[] => {
      const headers = names.map((name): [string, string] => [name, "x"]);
      return [hasCondition(headers), hasOriginPrecondition(headers)];
    };
    expect(judges("X-Other", "Range", "If-Range")).to.deep.equal([false, false]);
    for (const name of ["If-None-Match", "If-Modified-Since"])
      expect(judges(name)).to.deep.equal([true, false]);
    for (const name of ["If-Match", "If-Unmodified-Since"]) expect(judges(name)).to.deep.equal([false, true]);
  });

  it("what is stored is validated by each validator that it has", () => {
    expect(validationFields(strong)).to.deep.equal([
      ["If-None-Match", '"a"'],
      ["If-Modified-Since", date],
    ]);
    expect(validationFields(weak)).to.deep.equal([["If-None-Match", 'W/"a"']]);
    expect(validationFields([["Last-Modified", date]])).to.deep.equal([["If-Modified-Since", date]]);
    expect(validationFields([["X", "1"]])).to.deep.equal([]);
  });
});
