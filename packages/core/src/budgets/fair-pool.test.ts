import { expect } from "chai";
import { createFairPool, mayTake } from "./fair-pool.ts";

/** How many of `wanted` places the holder gets. */
const places = (pool: ReturnType<typeof createFairPool>, holder: string, wanted: number): number =>
  Array.from({ length: wanted }, () => pool.take(holder, 1)).filter(Boolean).length;

describe("a fair pool", () => {
  it("a lone holder gets all but a tenth, and what it gives back it may have again", () => {
    for (const [size, most] of [
      [10, 9],
      [30, 27],
      [1000, 900],
    ] as const) {
      const pool = createFairPool(size);
      expect(places(pool, "a", size), String(size)).to.equal(most);
      pool.give("a", 3);
      expect(places(pool, "a", size), String(size)).to.equal(3);
      expect(pool.used).to.equal(most);
    }
  });

  it("the rest is for those who have less, one place each to the last", () => {
    const pool = createFairPool(10);
    places(pool, "a", 10);
    expect(pool.take("b", 1)).to.equal(true);
    expect(pool.used).to.equal(10);
    expect(pool.take("c", 1), "no place is left at all").to.equal(false);
  });

  it("the largest holder is refused first while the smaller ones still get places", () => {
    const pool = createFairPool(100);
    places(pool, "large", 70);
    expect(places(pool, "small", 25)).to.equal(25);
    expect(pool.take("large", 1)).to.equal(false);
    expect(pool.take("small", 1)).to.equal(true);
  });

  it("as holders leave, the others may grow again", () => {
    const pool = createFairPool(100);
    places(pool, "a", 50);
    places(pool, "b", 45);
    expect(pool.take("a", 1)).to.equal(false);
    pool.give("b", 45);
    expect(places(pool, "a", 100)).to.equal(40);
  });

  it("a pool of up to three places keeps none back", () => {
    for (const size of [1, 2, 3]) expect(places(createFairPool(size), "a", 5)).to.equal(size);
    expect(places(createFairPool(4), "a", 5)).to.equal(3);
  });

  it("amounts count by their size, and one that does not fit is refused whole", () => {
    const pool = createFairPool(1000);
    expect(pool.take("a", 950), "who has nothing may take the most of it").to.equal(true);
    expect(pool.take("a", 1)).to.equal(false);
    expect(pool.take("b", 51)).to.equal(false);
    expect(pool.take("b", 50)).to.equal(true);
    pool.give("a", 950);
    expect(pool.heldBy("a")).to.equal(0);
    expect(pool.used).to.equal(50);
  });

  it("nothing is taken from a pool that others have overdrawn", () => {
    expect(mayTake(100, 120, 0, 1)).to.equal(false);
  });
});
