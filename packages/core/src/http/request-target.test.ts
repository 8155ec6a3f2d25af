import { expect } from "chai";
import { parseRequestTarget } from "./request-target.ts";

function target(text: string, method = "GET") {
  return parseRequestTarget(method, text);
}

describe("a request target", () => {
  it("in origin form has a path, a query or null, and no authority", () => {
    expect(target("/a/b")).to.deep.equal({
      kind: "path",
      path: "/a/b",
      receivedPath: "/a/b",
      query: null,
      authority: null,
    });
    expect(target("/a?")).to.include({ path: "/a", query: "" });
    expect(target("/a?x=1?y=/%2f")).to.include({ path: "/a", query: "x=1?y=/%2f" });
  });

  it("keeps its path as received beside the normalised one", () => {
    expect(target("/%61?q")).to.include({ path: "/a", receivedPath: "/%61", query: "q" });
  });

  it("that begins with two slashes names no other host", () => {
    const parsed = target("//evil.test/a");
    expect(parsed.kind === "path" ? parsed.authority : null).to.equal(null);
  });

  it("in absolute form has its authority and at least the path /", () => {
    for (const [text, path, query] of [
      ["http://a.test:81/x?q", "/x", "q"],
      ["HTTPS://a.test:81", "/", null],
      ["http://a.test:81?q", "/", "q"],
    ] as const) {
      const parsed = target(text);
      expect(parsed, text).to.include({ kind: "path", path, query });
      expect(parsed, text).to.have.property("authority").that.deep.includes({ port: 81 });
    }
  });

  it("as an asterisk is for OPTIONS alone", () => {
    expect(target("*", "OPTIONS")).to.deep.equal({ kind: "asterisk" });
    expect(target("http://a.test", "OPTIONS")).to.deep.equal({ kind: "asterisk" });
    expect(target("http://a.test/", "OPTIONS")).to.include({ kind: "path", path: "/" });
    expect(target("*", "GET")).to.include({ kind: "invalid", slug: "malformed-request" });
    expect(target("*", "options")).to.include({ kind: "invalid", slug: "malformed-request" });
  });

  it("that is neither a path nor an http URI with a host is malformed", () => {
    for (const text of [
      "",
      "a",
      "**",
      "a.test:443",
      "ftp://a.test/",
      "xhttp://a.test/",
      "http:/a",
      "http://",
      "http://a:b:c/",
    ]) {
      const parsed = target(text);
      expect(parsed, text).to.include({ kind: "invalid", slug: "malformed-request" });
      expect(parsed, text).to.have.property("reason").that.is.not.empty;
    }
  });

  it("with a fragment, a space, a control or a character outside ASCII in its query is refused", () => {
    for (const character of ["#", " ", "\t", "\u0000", "\u007f", "é"]) {
      expect(target(`/a?x=${character}`), character).to.include({ kind: "invalid", slug: "path-invalid" });
    }
    expect(target("/a?!\"$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~")).to.include({ kind: "path" });
  });

  it("whose path has no single meaning is refused", () => {
    expect(target("/a/%2e%2e/%zz")).to.include({ kind: "invalid", slug: "path-invalid" });
  });
});
