import { expect } from "chai";
import fc from "fast-check";
import { LruBytes } from "./lru.ts";

const weigh = (text: string): number => text.length;

describe("a map bounded in bytes", () => {
  it("evicts the least recently used entry", () => {
    const map = new LruBytes<string>(9, weigh);
    map.set("a", "12");
    map.set("b", "12");
    map.set("c", "12");
    map.get("a");
    map.set("d", "12");
    expect([map.get("a"), map.get("b"), map.get("c"), map.get("d")]).to.deep.equal([
      "12",
      undefined,
      "12",
      "12",
    ]);
  });
  it("does not store a value above its limit", () => {
    const map = new LruBytes<string>(3, weigh);
    map.set("a", "1234");
    expect([map.get("a"), map.bytes]).to.deep.equal([undefined, 0]);
  });
  it("never exceeds its limit, and counts its bytes", () => {
    const step = fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.string({ maxLength: 8 }));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const map = new LruBytes<string>(12, weigh);
        for (const [key, value] of steps) {
          map.set(key, value);
          expect(map.bytes).to.be.at.most(12);
        }
        const held = ["a", "b", "c", "d"].map((key) => map.get(key)).filter((value) => value !== undefined);
        expect(map.bytes).to.equal(held.reduce((sum, value) => sum + value.length + 1, 0));
      }),
    );
  });
});
