import { expect } from "chai";
import fc from "fast-check";
import {
  fingerprints,
  formerFingerprint,
  namedHeaders,
  sortedQuery,
  type FingerprintInput,
  type Ignored,
} from "./fingerprint.ts";

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

const of = (changes: Partial<FingerprintInput>): string => formerFingerprint({ ...charge, ...changes });

describe("the former fingerprint", () => {
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
        expect(formerFingerprint(a) === formerFingerprint(b)).to.equal(plain(a) === plain(b));
      }),
    );
  });
});

describe("the fingerprint", () => {
  const nothing: Ignored = { members: [], query: [] };
  interface Sent extends Partial<FingerprintInput> {
    readonly decoded?: Uint8Array;
    readonly ignored?: Partial<Ignored>;
  }
  const all = ({ decoded, ignored, ...changes }: Sent) => {
    const input = { ...charge, ...changes };
    return fingerprints(input, decoded ?? input.body, { ...nothing, ...ignored });
  };
  const current = (sent: Sent): string => all(sent).current;
  const form = (boundary: string, ...parts: readonly string[]): Sent => ({
    contentType: `multipart/form-data; boundary=${boundary}`,
    body: bytes(`${parts.map((text) => `--${boundary}\r\n${text}\r\n`).join("")}--${boundary}--\r\n`),
  });
  const field = (name: string, value: string): string =>
    `Content-Disposition: form-data; name="${name}"\r\n\r\n${value}`;

  it("is the former one for a request that nothing is changed about", () => {
    for (const sent of [{}, { query: "b=1&a=2" }, { contentType: null }, { contentType: "text/plain" }])
      expect(all(sent)).to.deep.equal({ current: of(sent), former: of(sent) });
  });

  it("takes media types for equal that say the same", () => {
    for (const same of [
      [
        "application/json",
        "application/json;charset=utf-8",
        'Application/JSON ; Charset="UTF-8"',
        "application/json;charset=utf8",
        "application/json;",
      ],
      ["text/csv; charset=utf-8", "Text/CSV;charset=UTF-8", 'text/csv;charset="utf-8"'],
      ["text/x;b=2;a=1", "text/x; a=1; b=2"],
      ["application/x-www-form-urlencoded", "application/x-www-form-urlencoded;charset=UTF-8"],
    ])
      expect(new Set(same.map((contentType) => current({ contentType }))).size, same[0]).to.equal(1);
    expect(current({ contentType: "application/json;charset=latin1" })).not.to.equal(current({}));
    expect(current({ contentType: "text/plain" })).not.to.equal(
      current({ contentType: "text/plain;charset=utf-8" }),
    );
    expect(current({ contentType: "text/x;a=B" })).not.to.equal(current({ contentType: "text/x;a=b" }));
  });

  it("compares a form by its parts: not by its boundary, but by their order, names, fields and bytes", () => {
    const [a, b] = [field("a", "1"), field("b", "2")];
    const first = current(form("----x", a, b));
    expect(current(form("----another", a, b))).to.equal(first);
    for (const other of [
      form("x", b, a),
      form("x", a),
      form("x", a, b, b),
      form("x", field("a", "12"), b),
      form("x", field("c", "1"), b),
    ])
      expect(current(other)).not.to.equal(first);
    expect(all(form("x", a)).former).to.equal(of(form("x", a)));
  });

  it("compares a form within a form in the same way", () => {
    const outer = (boundary: string, inner: string): Sent =>
      form(
        boundary,
        `Content-Type: multipart/mixed; boundary=${inner}\r\n\r\n--${inner}\r\n\r\nx\r\n--${inner}--\r\n`,
      );
    expect(current(outer("b", "inner-1"))).to.equal(current(outer("b", "inner-2")));
  });

  it("takes a body that is no form for what it is, byte for byte", () => {
    const broken = { contentType: "multipart/form-data; boundary=x", body: bytes("--y--") };
    expect(current(broken)).not.to.equal(current({ ...broken, body: bytes("--z--") }));
  });

  it("is made of the body without its content coding", () => {
    const coded = { body: bytes("coded"), decoded: charge.body };
    expect(current(coded)).to.equal(current({}));
    expect(all(coded).former).to.equal(of({ body: bytes("coded") }));
  });

  it("leaves out the members that the route names, in JSON, forms and form fields", () => {
    const ignored = { members: [["nonce"], ["meta", "at"], ["list", "0"]] };
    const json = (text: string): string => current({ ignored, body: bytes(text) });
    expect(json('{"a":1,"nonce":1,"meta":{"at":2,"by":3}}')).to.equal(
      json('{"a":1,"nonce":"x","meta":{"by":3}}'),
    );
    expect(json('{"a":1,"nonce":1}')).not.to.equal(json('{"a":2,"nonce":1}'));
    expect(json('{"list":[1,2]}')).to.equal(json('{"list":[9,2]}'));
    expect(json('{"list":[1,2]}')).not.to.equal(json('{"list":[1,3]}'));
    const parts = (nonce: string): string =>
      current({ ...form("x", field("a", "1"), field("nonce", nonce)), ignored });
    expect(parts("1")).to.equal(parts("2"));
    const fields = (text: string): string =>
      current({ contentType: "application/x-www-form-urlencoded", body: bytes(text), ignored });
    expect(fields("a=1&nonce=1")).to.equal(fields("nonce=2&a=1"));
    expect(fields("a=1&nonce=1")).not.to.equal(fields("a=2&nonce=1"));
  });

  it("leaves members out beside numbers that a double cannot hold, which still count digit by digit", () => {
    const json = (id: string, nonce: number): string =>
      current({ ignored: { members: [["nonce"]] }, body: bytes(`{"id":${id},"nonce":${nonce}}`) });
    expect(json("9007199254740993", 1)).to.equal(json("9007199254740993", 2));
    expect(json("9007199254740993", 1)).not.to.equal(json("9007199254740992", 1));
  });

  it("never takes a name that stands twice for one of its values, whatever is left out", () => {
    const json = (text: string): string => current({ ignored: { members: [["nonce"]] }, body: bytes(text) });
    expect(json('{"a":1,"a":2,"nonce":1}')).not.to.equal(json('{"a":2,"nonce":1}'));
  });

  it("leaves out the query parameters that the route names", () => {
    const query = (text: string | null): string =>
      current({ query: text, ignored: { query: ["ts", "utm_*"] } });
    expect(query("a=1&ts=1&utm_x=2")).to.equal(query("ts=9&a=1"));
    expect(query("ts=1")).to.equal(query(null));
    expect(query("t%73=1&a=1")).to.equal(query("a=1"));
    expect(query("a=1&ts=1")).not.to.equal(query("a=2&ts=1"));
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
