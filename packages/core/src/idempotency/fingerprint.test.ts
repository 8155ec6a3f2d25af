import { expect } from "chai";
import fc from "fast-check";
import { fingerprint, namedHeaders, sortedQuery, type FingerprintInput } from "./fingerprint.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const charge: FingerprintInput = {
  method: "POST",
  path: "/charges",
  query: null,
  contentType: "application/json",
  body: bytes('{"amount":10,"currency":"EUR"}'),
  headers: [],
  principal: null,
};

const of = (changes: Partial<FingerprintInput>): string => fingerprint({ ...charge, ...changes });

describe("fingerprint", () => {
  it("is 43 base64url characters and does not change between releases", () => {
    expect(of({})).to.match(/^[A-Za-z0-9_-]{43}$/);
    // A changed value would make stored processes unfindable: bump it knowingly, never by accident.
    expect(of({})).to.equal("QfXEUk0ySVBxxyXm9SdttEiWtmjqS0V7eBExBpCw60Q");
  });

  it("is the same for JSON that says the same", () => {
    expect(of({ body: bytes('{ "currency": "EUR",\n "amount": 1e1 }') })).to.equal(of({}));
    expect(of({ contentType: "Application/JSON" })).to.equal(of({}));
  });

  it("changes with every part", () => {
    const others = [
      of({ method: "PUT" }),
      of({ path: "/charges/" }),
      of({ query: "" }),
      of({ query: "a=1" }),
      of({ contentType: null }),
      of({ contentType: "text/plain" }),
      of({ contentType: "application/json; charset=utf-8" }),
      of({ body: bytes('{"amount":10.01,"currency":"EUR"}') }),
      of({ body: bytes("") }),
      of({ headers: [["x-account", "1"]] }),
      of({ headers: [["x-account", "2"]] }),
      of({ principal: "" }),
      of({ principal: "abc" }),
    ];
    expect(new Set([...others, of({})]).size).to.equal(others.length + 1);
  });

  it("takes JSON that can be read in two ways as raw bytes, never as its last meaning", () => {
    const twice = of({ body: bytes('{"amount":10,"amount":20}') });
    expect(twice).not.to.equal(of({ body: bytes('{"amount":20}') }));
    expect(twice).not.to.equal(of({ body: bytes('{"amount": 10,"amount":20}') }));
    expect(of({ body: bytes('{"id":9007199254740993}') })).not.to.equal(
      of({ body: bytes('{"id":9007199254740992}') }),
    );
  });

  it("compares bodies of other types byte for byte, and +json types as JSON", () => {
    const spaced = bytes('{"amount": 10,"currency":"EUR"}');
    expect(of({ contentType: "text/plain", body: spaced })).not.to.equal(of({ contentType: "text/plain" }));
    const patch = "application/merge-patch+json";
    expect(of({ contentType: patch, body: spaced })).to.equal(of({ contentType: patch }));
    expect(of({ contentType: null, body: Uint8Array.of(0xff) })).not.to.equal(
      of({ contentType: null, body: Uint8Array.of(0xfe) }),
    );
  });

  it("never gives two requests one fingerprint by moving characters from one part to the next", () => {
    const text = fc.string({ maxLength: 6 });
    const request = fc.record({
      method: text,
      path: text,
      query: fc.option(text),
      contentType: fc.constantFrom(null, "text/plain"),
      body: text.map(bytes),
      headers: fc.array(fc.tuple(fc.constantFrom("x-a", "x-b"), text), { maxLength: 2 }),
      principal: fc.option(text),
    });
    const plain = (input: FingerprintInput): string =>
      JSON.stringify({
        ...input,
        body: [...input.body],
        query: input.query === null ? null : sortedQuery(input.query),
      });
    fc.assert(
      fc.property(request, request, (a, b) => {
        expect(fingerprint(a) === fingerprint(b)).to.equal(plain(a) === plain(b));
      }),
    );
  });
});

describe("sortedQuery", () => {
  it("orders pairs by name and keeps the order of equal names", () => {
    expect(sortedQuery("b=2&a=9&b=1&a=1")).to.equal("a=9&a=1&b=2&b=1");
    expect(sortedQuery("b&a=&a&=x")).to.equal("=x&a=&a&b");
  });

  it("decodes nothing", () => {
    expect(sortedQuery("%62=1&a=%2B&a=+")).to.equal("%62=1&a=%2B&a=+");
    expect(sortedQuery("")).to.equal("");
  });

  it("is independent of how pairs of different names are interleaved", () => {
    const pairs = fc.uniqueArray(
      fc.tuple(fc.stringMatching(/^[a-z%]{1,4}$/), fc.stringMatching(/^[a-z0-9]{0,3}$/)),
      {
        selector: ([name]) => name,
        minLength: 1,
      },
    );
    fc.assert(
      fc.property(pairs, (list) => {
        const text = (l: typeof list): string => l.map(([name, value]) => `${name}=${value}`).join("&");
        expect(sortedQuery(text(list))).to.equal(sortedQuery(text([...list].reverse())));
      }),
    );
  });
});

describe("namedHeaders", () => {
  it("takes the named lines only, in the order of their names", () => {
    const lines = namedHeaders(
      [
        ["X-B", "2"],
        ["Accept", "*/*"],
        ["x-a", "1"],
        ["x-B", "3"],
      ],
      ["x-b", "x-a", "x-c", "x-b"],
    );
    expect(lines).to.deep.equal([
      ["x-a", "1"],
      ["x-b", "2"],
      ["x-b", "3"],
    ]);
  });
});
