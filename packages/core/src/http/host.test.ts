import { expect } from "chai";

import { parseAuthority } from "./host.ts";

describe("uri-host and port", () => {
  const good: readonly [string, string, number | null][] = [
    ["a", "a", null],
    ["Example.COM:8080", "example.com", 8080],
    ["a:", "a", null],
    ["127.0.0.1:0", "127.0.0.1", 0],
    ["[::1]", "[::1]", null],
    ["[2001:DB8::1]:443", "[2001:db8::1]", 443],
    ["a:65535", "a", 65535],
    ["xn--bcher-kva.example", "xn--bcher-kva.example", null],
    ["a_b", "a_b", null],
    ["%41", "%41", null],
  ];
  for (const [text, host, port] of good) {
    it(`${text} is a host`, () => expect(parseAuthority(text)).to.deep.equal({ host, port, text }));
  }
  it("the dot at the end of a full name is not part of it", () => {
    expect(parseAuthority("Shop.Example.")).to.deep.equal({
      host: "shop.example",
      port: null,
      text: "Shop.Example.",
    });
    expect(parseAuthority("shop.example.:81")).to.include({ host: "shop.example", port: 81 });
    expect(parseAuthority(".")).to.equal(null);
  });

  for (const text of [
    "",
    ":80",
    "a/b",
    "u@a",
    "a, b",
    "a,b",
    "a:65536",
    "a:99999",
    "a:b",
    "a:80:80",
    "a b",
    "[::1",
    "::1",
    "[]",
    "[x]",
    "a?b",
    "a#b",
    "a\\b",
    "%zz",
    "caf\xe9",
  ]) {
    it(`${JSON.stringify(text)} is none`, () => expect(parseAuthority(text)).to.equal(null));
  }
});
