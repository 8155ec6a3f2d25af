import { expect } from "chai";
import { mountedHeaders, ownReference, publicPrefix, publicReference } from "./mounted.ts";

const mount = { prefix: "/post", own: new Set(["10.0.0.1:4000", "app.internal"]), host: "www.example" };

describe("a reference of a mounted service", () => {
  for (const [reference, mapped] of [
    ["/inbox?new=1#top", "/post/inbox?new=1#top"],
    ["/", "/post/"],
    ["/post/inbox", "/post/inbox"],
    ["/post", "/post"],
    ["/post?a=1", "/post?a=1"],
    ["/postbox", "/post/postbox"],
    ["inbox", "inbox"],
    ["../x", "../x"],
    ["?a=1", "?a=1"],
    ["", ""],
    ["http://10.0.0.1:4000/letters/8", "/post/letters/8"],
    ["HTTPS://App.Internal/letters/8?a", "/post/letters/8?a"],
    ["http://app.internal", "/post/"],
    ["http://app.internal?a=1", "/post/?a=1"],
    ["//app.internal/x", "/post/x"],
    ["https://www.example/inbox", "https://www.example/post/inbox"],
    ["https://www.example/post/inbox", "https://www.example/post/inbox"],
    ["//www.example/inbox", "//www.example/post/inbox"],
    ["https://elsewhere.example/inbox", "https://elsewhere.example/inbox"],
    ["mailto:a@b", "mailto:a@b"],
  ] as const) {
    it(`${reference || "(empty)"} is ${mapped || "(empty)"}`, () => {
      expect(publicReference(reference, mount)).to.equal(mapped);
    });
  }

  it("of a service without a prefix does not show the instance's address", () => {
    const root = { ...mount, prefix: "/" };
    expect(publicReference("http://10.0.0.1:4000/x", root)).to.equal("/x");
    expect(publicReference("/x", root)).to.equal("/x");
  });
});

describe("fields of a mounted service", () => {
  for (const [name, value, mapped] of [
    ["Location", "/a", "/post/a"],
    ["Content-Location", "/a", "/post/a"],
    [
      "Link",
      '</a>; rel=next, <https://x.example/b>; rel="x"',
      '</post/a>; rel=next, <https://x.example/b>; rel="x"',
    ],
    ["Refresh", "5; url=/a", "5; url=/post/a"],
    ["Refresh", '0;URL="/a"', '0;URL="/post/a"'],
    ["Refresh", "5", "5"],
    ["Set-Cookie", "a=1; Path=/inbox; Secure", "a=1; Path=/post/inbox; Secure"],
    ["Set-Cookie", "a=1; path=/", "a=1; path=/"],
    ["Set-Cookie", "a=1; Path=/post/x", "a=1; Path=/post/x"],
    ["Set-Cookie", "a=Path=/x", "a=Path=/x"],
    ["X-Other", "/a", "/a"],
  ] as const) {
    it(`${name}: ${value}`, () => {
      expect(mountedHeaders([[name, value]], mount)).to.deep.equal([[name, mapped]]);
    });
  }

  it("are the same list where there is nothing to map", () => {
    const headers = [["Content-Type", "text/plain"]] as const;
    expect(mountedHeaders(headers, mount)).to.equal(headers);
  });
});

describe("what a client names by the public address", () => {
  for (const [reference, own] of [
    ["http://www.example/post/a/b", "/a/b"],
    ["https://WWW.example/post", "/"],
    ["/post/a", "/a"],
    ["http://elsewhere.example/post/a", "http://elsewhere.example/post/a"],
    ["/other/a", "/other/a"],
    ["a", "a"],
  ] as const) {
    it(`${reference} is ${own} to the service`, () => {
      expect(ownReference(reference, mount)).to.equal(own);
    });
  }
});

describe("the public prefix", () => {
  for (const [outer, prefix, whole] of [
    [null, "/post", "/post"],
    ["/api", "/post", "/api/post"],
    ["/api", "/", "/api"],
    [null, "/", ""],
    ["api", "/post", "/post"],
    ['/a/../b"', "/post", "/post"],
  ] as const) {
    it(`of ${outer ?? "nothing"} before ${prefix} is ${whole || "empty"}`, () => {
      expect(publicPrefix(outer, prefix)).to.equal(whole);
    });
  }
});
