import { isSafe } from "@sticky-proxy/protocol/http";
import { expect } from "chai";
import fc from "fast-check";
import type { HeaderList } from "../http/message.ts";
import { invalidates, localUri } from "./invalidation.ts";

const origins = ["http://shop.example", "http://127.0.0.1:4004"];
const request = (method: string) => ({ method, path: "/a/b", query: "q=1", headers: [] });
const own = { path: "/a/b", query: "q=1" };
const uris = (method: string, status: number, headers: HeaderList = []) =>
  invalidates(request(method), { status, headers }, origins).uris;

describe("invalidation by unsafe methods (RFC 9111 4.4)", () => {
  for (const method of ["POST", "PUT", "DELETE", "PATCH", "FROB", "get"]) {
    it(`${method} drops its URI on 2xx and 3xx only`, () => {
      expect(uris(method, 200)).to.deep.equal([own]);
      expect(uris(method, 302)).to.deep.equal([own]);
      for (const status of [100, 400, 404, 500, 503]) expect(uris(method, status)).to.deep.equal([]);
    });
  }
  it("methods registered as safe invalidate nothing", () => {
    for (const method of ["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"]) {
      expect(!isSafe(method)).to.equal(false);
      expect(uris(method, 200, [["Location", "/x"]])).to.deep.equal([]);
    }
  });
  it("Location and Content-Location of the same origin are invalidated", () => {
    const headers: HeaderList = [
      ["Location", "/x?y=1"],
      ["content-location", "http://shop.example/z"],
    ];
    expect(uris("POST", 201, headers)).to.deep.equal([
      own,
      { path: "/x", query: "y=1" },
      { path: "/z", query: null },
    ]);
  });
  it("Location and Content-Location of other origins are not invalidated", () => {
    const headers: HeaderList = [
      ["Location", "http://evil.example/x"],
      ["Content-Location", "//evil.example/y"],
    ];
    expect(uris("POST", 201, headers)).to.deep.equal([own]);
  });
  it("Cache-Group-Invalidation applies to unsafe methods only (RFC 9875)", () => {
    const headers: HeaderList = [["Cache-Group-Invalidation", '"g", "h"']];
    expect(invalidates(request("POST"), { status: 200, headers }, origins).groups).to.deep.equal(["g", "h"]);
    expect(invalidates(request("GET"), { status: 200, headers }, origins).groups).to.deep.equal([]);
    expect(invalidates(request("POST"), { status: 500, headers }, origins).groups).to.deep.equal([]);
  });

  const references: readonly [string, string | null][] = [
    ["/x", "/x"],
    ["x", "/a/x"],
    ["../x", "/x"],
    ["?p", "/a/b?p"],
    ["?", "/a/b?"],
    ["#f", "/a/b?q=1"],
    ["HTTP://SHOP.EXAMPLE/x#f", "/x"],
    ["http://127.0.0.1:4004/x", "/x"],
    ["https://shop.example/x", null],
    ["http://u@shop.example/x", null],
    ["http://[bad", null],
  ];
  for (const [reference, expected] of references) {
    it(`${reference} leads to ${expected}`, () => {
      const uri = localUri(reference, { path: "/a/b", query: "q=1" }, origins);
      expect(uri === null ? null : uri.path + (uri.query === null ? "" : `?${uri.query}`)).to.equal(expected);
    });
  }
  it("no URI reference makes the invalidation throw", () => {
    fc.assert(
      fc.property(fc.string(), (reference) => {
        localUri(reference, { path: "/", query: null }, origins);
      }),
    );
  });
});
