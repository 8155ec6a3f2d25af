import { expect } from "chai";
import fc from "fast-check";
import { decodeRequest, decodeResult, encodeRequest, encodeResult } from "./payload.ts";
import { unsealed } from "../sealing/sealing.ts";

const place = { partition: 1, scope: "scope" };

/** Any character; fast-check's own "binary" builds a map of all of Unicode first, which takes half a second. */
const character = fc
  .nat(0x10ffff)
  .filter((code) => code < 0xd800 || code > 0xdfff)
  .map(
    (code) => String.fromCodePoint(code),
    (text) => (text as string).codePointAt(0)!,
  );
const lines = fc.array(fc.tuple(fc.string(), fc.string({ unit: character })));
const bytes = fc.uint8Array({ maxLength: 300 });

describe("payloads", () => {
  it("any response reads back under its own id, byte by byte", () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 599 }), lines, bytes, (status, headers, body) => {
        const decoded = decodeResult(
          unsealed,
          place,
          encodeResult(unsealed, place, "id-1", { status, headers, body }),
          "id-1",
        )!;
        expect(decoded.status).to.equal(status);
        expect(decoded.headers).to.deep.equal(headers);
        expect([...decoded.body]).to.deep.equal([...body]);
      }),
    );
  });

  it("any request reads back under its own id, byte by byte", () => {
    fc.assert(
      fc.property(fc.option(fc.string()), lines, bytes, (key, headers, body) => {
        const head = { method: "POST", path: "/a\nb", query: null, headers };
        const decoded = decodeRequest(
          unsealed,
          place,
          encodeRequest(unsealed, place, "id-1", { head, key, body }),
          "id-1",
        )!;
        expect(decoded.head).to.deep.equal(head);
        expect(decoded.key).to.equal(key);
        expect([...decoded.body]).to.deep.equal([...body]);
      }),
    );
  });

  it("under another id, or none, it is absent", () => {
    const payload = encodeResult(unsealed, place, "id-1", {
      status: 200,
      headers: [],
      body: Buffer.from("x"),
    });
    expect(decodeResult(unsealed, place, payload, "id-2")).to.equal(null);
    expect(decodeResult(unsealed, place, payload, "id-")).to.equal(null);
    expect(decodeResult(unsealed, place, payload, null)).to.equal(null);
    expect(decodeResult(unsealed, place, null, "id-1")).to.equal(null);
    expect(decodeResult(unsealed, place, Buffer.from("id-1"), "id-1")).to.equal(null);
  });
});
