import { StoreUnavailable } from "@sticky-proxy/core/process";
import { expect } from "chai";
import { createSealing, unsealed, type Sealing } from "./sealing.ts";

const key = (id: string, fill: number) => ({ id, secret: Buffer.alloc(32, fill).toString("base64") });
const one = createSealing({ keys: [key("k1", 1)], write: true });
const two = createSealing({ keys: [key("k2", 2), key("k1", 1)], write: true });
const parts = [Buffer.from("[200]\n"), Buffer.from("body")];

const sealedBy = (sealing: Sealing, given: readonly Uint8Array[]): Buffer =>
  Buffer.concat(sealing.seal("here", given));

describe("sealed values", () => {
  it("open where they stood, tell nothing, and are written differently each time", () => {
    const sealed = sealedBy(one, parts);
    expect(one.open("here", sealed).toString()).to.equal("[200]\nbody");
    expect(sealed.toString("latin1")).to.not.include("body");
    expect(sealed.equals(sealedBy(one, parts))).to.equal(false);
    const text = one.sealText("here", '{"a":"body"}');
    expect(one.openText("here", text)).to.equal('{"a":"body"}');
    expect(text).to.match(/^sealed:[A-Za-z0-9+/]+=*$/);
    expect(one.open("here", sealedBy(one, [])).length).to.equal(0);
  });

  it("are refused elsewhere, and when any byte of them was changed or is missing", () => {
    const sealed = sealedBy(one, parts);
    expect(() => one.open("there", sealed)).to.throw(StoreUnavailable, "does not open");
    for (let i = 0; i < sealed.length; i += 1) {
      const changed = Buffer.from(sealed);
      changed[i]! ^= 0x40;
      if (i === 0) expect(one.open("here", changed).equals(changed)).to.equal(true); // no longer one
      else expect(() => one.open("here", changed), `byte ${i}`).to.throw(StoreUnavailable);
      if (i > 0)
        expect(() => one.open("here", sealed.subarray(0, i)), `${i} bytes`).to.throw(StoreUnavailable);
    }
  });

  it("the first key writes and every key reads; a missing one is named", () => {
    expect(two.open("here", sealedBy(one, parts)).toString()).to.equal("[200]\nbody");
    expect(() => one.open("here", sealedBy(two, parts))).to.throw(
      StoreUnavailable,
      'sealed under key "k2", which this node lacks',
    );
    expect(() => unsealed.openText("here", one.sealText("here", "{}"))).to.throw(StoreUnavailable, '"k1"');
  });

  it("what was written before a key was given is read, and write: false writes so again", () => {
    const reading = createSealing({ keys: [key("k1", 1)], write: false });
    expect(one.open("here", sealedBy(unsealed, parts)).toString()).to.equal("[200]\nbody");
    expect(one.openText("here", "{}")).to.equal("{}");
    expect(sealedBy(reading, parts).toString()).to.equal("[200]\nbody");
    expect(reading.sealText("here", "{}")).to.equal("{}");
    expect(reading.open("here", sealedBy(one, parts)).toString()).to.equal("[200]\nbody");
  });

  it("a key's proof tells equal keys from others under the same name", () => {
    expect(one.proofs.get("k1")).to.equal(two.proofs.get("k1")).and.have.length(22);
    const other = createSealing({ keys: [key("k1", 3)], write: true });
    expect(other.proofs.get("k1")).to.not.equal(one.proofs.get("k1"));
  });
});
