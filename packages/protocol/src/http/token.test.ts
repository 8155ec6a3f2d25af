import { expect } from "chai";
import { isFieldValue, isMediaType, isToken } from "./token.ts";

describe("token (RFC 9110 5.6.2)", () => {
  const delimiters = '"(),/:;<=>?@[\\]{} \t';

  it("is made of every visible ASCII character but the delimiters", () => {
    for (let code = 0; code < 256; code++) {
      const text = String.fromCharCode(code);
      const isVisible = code > 0x20 && code < 0x7f;
      expect(isToken(text), JSON.stringify(text)).to.equal(isVisible && !delimiters.includes(text));
    }
  });

  it("has at least one character, and none of another kind anywhere", () => {
    for (const text of ["", "a b", "a\n", " a", "é"])
      expect(isToken(text), JSON.stringify(text)).to.equal(false);
    expect(isToken("x-Request_ID")).to.equal(true);
  });

  it("makes a media type of two with a slash", () => {
    for (const text of ["text/html", "application/vnd.a+json"])
      expect(isMediaType(text), text).to.equal(true);
    for (const text of ["text", "text/", "/html", "a/b/c", "text/html; charset=utf-8"])
      expect(isMediaType(text), text).to.equal(false);
  });
});

describe("field value (RFC 9110 5.5)", () => {
  for (const text of ["", "a", "a b\tc", "\x80\xff", '"quoted"']) {
    it(`takes ${JSON.stringify(text)}`, () => {
      expect(isFieldValue(text)).to.equal(true);
    });
  }
  for (const text of [" a", "a ", "\ta", "a\rb", "a\nb", "a\0b", "a\x7f", "€"]) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      expect(isFieldValue(text)).to.equal(false);
    });
  }
});
