import { expect } from "chai";
import fc from "fast-check";
import { formatMirrorMarker, maxMirrorHops, readMirrorMarker } from "./mirror-marker.ts";

const secret = Buffer.alloc(32, 7);
const other = Buffer.alloc(32, 8);
const request = { method: "POST", path: "/users" };
const marker = { src: "gw-1", id: "17.abc.1k-2", hop: 1 };
const now = 1_700_000_000_000;
const line = formatMirrorMarker(marker, request, secret, now);

describe("the mirror marker", () => {
  it("is read back by whoever has the secret, also while secrets rotate", () => {
    expect(readMirrorMarker([line], request, [secret], now)).to.deep.equal(marker);
    expect(readMirrorMarker([line], request, [other, secret], now)).to.deep.equal(marker);
  });

  it("is not honoured unsigned, from another secret, for another request, old, twice or with one byte changed", () => {
    expect(readMirrorMarker([line], request, [], now)).to.equal(null);
    expect(readMirrorMarker([line], request, [other], now)).to.equal(null);
    expect(readMirrorMarker([line], { ...request, path: "/payments" }, [secret], now)).to.equal(null);
    expect(readMirrorMarker([line], { ...request, method: "PUT" }, [secret], now)).to.equal(null);
    expect(readMirrorMarker([line], request, [secret], now + 301_000)).to.equal(null);
    expect(readMirrorMarker([line], request, [secret], now - 301_000)).to.equal(null);
    expect(readMirrorMarker([line, line], request, [secret], now)).to.equal(null);
    expect(readMirrorMarker([], request, [secret], now)).to.equal(null);
    expect(readMirrorMarker(['v1; src="x"; id="y"; hop=1'], request, [secret], now)).to.equal(null);
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.integer({ min: 33, max: 126 }), (at, code) => {
        const changed = line.slice(0, at) + String.fromCharCode(code) + line.slice(at + 1);
        return changed === line || readMirrorMarker([changed], request, [secret], now) === null;
      }),
    );
  });

  it("does not let its members run into each other", () => {
    const moved = line.replace('src="gw-1"', 'src="gw-11"').replace('id="17.', 'id="7.');
    expect(readMirrorMarker([moved], request, [secret], now)).to.equal(null);
  });

  it("ends after eight gateways", () => {
    const far = formatMirrorMarker({ ...marker, hop: maxMirrorHops + 1 }, request, secret, now);
    expect(readMirrorMarker([far], request, [secret], now)).to.equal(null);
  });

  it("cannot carry what would break its field", () => {
    for (const src of ['a"b', "a\r\nb", "", "x".repeat(65)]) {
      expect(() => formatMirrorMarker({ ...marker, src }, request, secret, now)).to.throw(RangeError);
    }
  });

  it("never throws on a hostile field", () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 600 }),
        (text) => readMirrorMarker([text], request, [secret], now) === null,
      ),
    );
  });
});
