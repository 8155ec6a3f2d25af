import { expect } from "chai";
import fc from "fast-check";

import { belowPrefix, coversPath, isSpeltAlike, normalisePath, pathRefusal, type PathRules } from "./path.ts";

/** As a route with these rules takes it. */
function normalised(raw: string, rules: PathRules = {}): string | null {
  const result = normalisePath(raw);
  return result.ok && pathRefusal(result.path, rules) === null ? result.path : null;
}

describe("the normalised path", () => {
  const same = [
    "/",
    "/a",
    "/a/",
    "/a.b/c-d_e~f",
    "/a;v=1/b,c",
    "/a:b@c!$&'()*+,;=",
    "/%E2%82%AC",
    "/%25zz",
    "/...",
    "/.well-known/x",
    "/a%20b",
  ];
  for (const path of same) {
    it(`${path} is normal`, () => expect(normalised(path)).to.equal(path));
  }

  it("unreserved escapes are decoded, other digits become upper-case", () => {
    expect(normalised("/%61%7E%2d%5f%2E%2Ex")).to.equal("/a~-_..x");
    expect(normalised("/caf%c3%a9%3a")).to.equal("/caf%C3%A9%3A");
    expect(normalised("/%e9")).to.equal("/%E9");
  });

  const refused = [
    "",
    "a",
    "//",
    "/a//b",
    "/a/..",
    "/..",
    "/./..",
    "/a/../b",
    "/%2E%2e/x",
    "/.%2e/x",
    "/a%2fb",
    "/a%2Fb",
    "/a%5cb",
    "/a\\b",
    "/a%00",
    "/%",
    "/%4",
    "/%zz",
    "/%u0041",
    "/a b",
    "/a#b",
    "/a?b",
    '/"',
    "/<",
    "/>",
    "/`",
    "/\x7f",
    "/caf\xe9",
    "/%c0%ae",
    "/%C1%81",
    "/%e0%80%af",
    "/%f0%80%80%af",
  ];
  for (const path of refused) {
    it(`${JSON.stringify(path)} is refused`, () => expect(normalised(path)).to.equal(null));
  }

  it("what only looks overlong is not", () => {
    expect(normalised("/%e0%a0%80")).to.equal("/%E0%A0%80");
    expect(normalised("/%e0x%80")).to.equal("/%E0x%80");
    expect(normalised("/%f0%90%80%80")).to.equal("/%F0%90%80%80");
  });

  it("encoded slashes and empty segments pass where a route opts in", () => {
    expect(normalised("/a%2fb", { encodedSlash: true })).to.equal("/a%2Fb");
    expect(normalised("/a//b", { emptySegments: true })).to.equal("/a//b");
    expect(normalised("/a/..", { emptySegments: true })).to.equal(null);
    expect(normalised("/a//b", { encodedSlash: true })).to.equal(null);
    expect(normalised("/a%2fb", { emptySegments: true })).to.equal(null);
  });

  it("an encoded slash makes no segment that leads upwards", () => {
    for (const path of ["/%2e%2e%2fb", "/a%2F..", "/a%2f.%2e/b", "/..%2Fb", "/a/%2e%2e%2F"])
      expect(normalised(path, { encodedSlash: true }), path).to.equal(null);
    expect(normalised("/a%2F..b", { encodedSlash: true })).to.equal("/a%2F..b");
  });

  it("a dot segment is removed (RFC 3986 5.2.4)", () => {
    for (const [path, short] of [
      ["/.", "/"],
      ["/./", "/"],
      ["/%2e", "/"],
      ["/a/./b", "/a/b"],
      ["/a/.", "/a/"],
      ["/a/%2E/./b/.", "/a/b/"],
      ["/./a", "/a"],
      ["/.a/b./...", "/.a/b./..."],
    ])
      expect(normalised(path!), path).to.equal(short);
    expect(normalised("/.//a")).to.equal(null);
  });

  it("brackets, braces, bar and caret are encoded, once", () => {
    expect(normalised("/list[2]/{a}|b^c")).to.equal("/list%5B2%5D/%7Ba%7D%7Cb%5Ec");
    expect(normalised("/list%5b2%5D")).to.equal("/list%5B2%5D");
  });

  it("octets that were changed in more than their escapes are known", () => {
    for (const path of ["/a/./b", "/a[b", "/a|b", "/a/%2e", "/a/%2E/b", "/{a}"])
      expect(isSpeltAlike(path)).to.equal(false);
    for (const path of ["/a", "/%61", "/.a", "/a.", "/a/%2ea"])
      expect(isSpeltAlike(path), path).to.equal(true);
  });

  const piece = fc.oneof(
    fc.constantFrom(
      "/",
      ".",
      "..",
      "%2e",
      "%2E",
      "%2f",
      "%5c",
      "%00",
      "%61",
      "%zz",
      "%",
      ";",
      "\\",
      "a",
      "b",
      "~",
      "[",
      "|",
      "/.",
      "%c3%a9",
      "%c0%af",
      " ",
      "é",
      "//",
    ),
    fc.string({ maxLength: 3 }),
  );
  const candidate = fc.array(piece, { maxLength: 10 }).map((pieces) => `/${pieces.join("")}`);

  it("property: what we matched is what a URL parser on the other side reads", () => {
    fc.assert(
      fc.property(candidate, (raw) => {
        const path = normalised(raw);
        if (path === null) return;
        expect(new URL(`http://upstream${path}`).pathname).to.equal(path);
        expect(new URL(`http://upstream${path}`).host).to.equal("upstream");
      }),
      { numRuns: 500 },
    );
  });

  it("property: normalising twice changes nothing, and decoding yields no separator or dot segment", () => {
    fc.assert(
      fc.property(candidate, (raw) => {
        const path = normalised(raw);
        if (path === null) return;
        expect(normalised(path)).to.equal(path);
        const octets = path.replaceAll(/%([0-9A-F]{2})/g, (_, digits: string) =>
          String.fromCharCode(Number.parseInt(digits, 16)),
        );
        expect(octets.split("/").length).to.equal(path.split("/").length);
        for (const segment of octets.split("/")) expect(segment).to.not.be.oneOf([".", ".."]);
        expect(octets).to.not.match(/[\0\\]/);
      }),
      { numRuns: 500 },
    );
  });

  it("a long path of ordinary characters is judged in linear time", () => {
    expect(normalised(`/${"a".repeat(8_000)}!`)).to.be.a("string");
    expect(normalised(`/${"a".repeat(8_000)}"`)).to.equal(null);
  });
});

describe("a prefix", () => {
  it("covers paths at segment ends only", () => {
    expect(coversPath("/a", "/a")).to.equal(true);
    expect(coversPath("/a", "/a/b")).to.equal(true);
    expect(coversPath("/a", "/ab")).to.equal(false);
    expect(coversPath("/a/", "/a/b")).to.equal(true);
    expect(coversPath("/", "/anything")).to.equal(true);
    expect(coversPath("/a/b", "/a")).to.equal(false);
  });

  it("is taken off so that a path is left", () => {
    expect(belowPrefix("/a", "/a")).to.equal("/");
    expect(belowPrefix("/a", "/a/")).to.equal("/");
    expect(belowPrefix("/a", "/a/b")).to.equal("/b");
    expect(belowPrefix("/a/", "/a/b")).to.equal("/b");
    expect(belowPrefix("/", "/a")).to.equal("/a");
  });
});
