import { expect } from "chai";
import { allowedBytes, bodyWeight, excessBytes, roomOf, type StoreFill } from "./room.ts";

const fill = (over: Partial<StoreFill>): StoreFill => ({
  max: 1_000_000,
  stored: 0,
  loose: 0,
  memoryRoom: Infinity,
  ...over,
});

describe("room for stored responses", () => {
  it("is what the bound leaves, and no more than the server's memory has", () => {
    expect(roomOf(fill({ stored: 300_000, loose: 100_000 }))).to.equal(600_000);
    expect(roomOf(fill({ stored: 300_000, memoryRoom: 50_000 }))).to.equal(50_000);
    expect(roomOf(fill({ stored: 900_000, loose: 200_000 }))).to.equal(-100_000);
    expect(roomOf(fill({ max: Infinity, stored: 300_000, memoryRoom: -1 }))).to.equal(-1);
  });

  it("eight nodes may use up what each was allowed without passing the bound", () => {
    expect(allowedBytes(80_000_000)).to.equal(10_000_000);
    expect(allowedBytes(200_000)).to.equal(98_304);
    expect(allowedBytes(50_000)).to.equal(50_000);
    expect([allowedBytes(0), allowedBytes(-5)]).to.deep.equal([0, 0]);
    expect(allowedBytes(Infinity)).to.equal(Infinity);
  });

  it("above four fifths of the bound as much has to go as makes it three quarters", () => {
    expect(excessBytes(fill({ stored: 800_000 }))).to.equal(0);
    expect(excessBytes(fill({ stored: 800_001 }))).to.equal(50_001);
    expect(excessBytes(fill({ max: Infinity, stored: 800_001 }))).to.equal(0);
  });

  it("what other data needs goes first, and no more than there is", () => {
    expect(excessBytes(fill({ stored: 300_000, memoryRoom: -120_000 }))).to.equal(120_000);
    expect(excessBytes(fill({ stored: 100_000, memoryRoom: -120_000 }))).to.equal(100_000);
    expect(excessBytes(fill({ stored: 900_000, memoryRoom: -10 }))).to.equal(150_000);
  });

  it("weighs a body by what the server takes for its chunks", () => {
    const measured: readonly (readonly [bytes: number, takes: number])[] = [
      [1000, 1072],
      [30_000, 32_816],
      [50_000, 57_392],
      [65_536, 81_968],
      [65_636, 163_888],
      [131_072, 327_728],
      [196_608, 327_728],
      [262_144, 327_728],
      [524_288, 655_456],
    ];
    for (const [bytes, takes] of measured)
      expect(bodyWeight(bytes) / takes, String(bytes)).to.be.within(1, 1.3);
    expect(bodyWeight(0)).to.equal(0);
  });
});
