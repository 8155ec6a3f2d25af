import { expect } from "chai";
import fc from "fast-check";
import { alignLists } from "./compare-list.ts";

const lists = fc.tuple(
  fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 12 }),
  fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 12 }),
);

describe("alignLists", () => {
  it("places every item of both lists exactly once and keeps the order of what it pairs", () => {
    fc.assert(
      fc.property(lists, ([a, b]) => {
        const aligned = alignLists(a, b, () => undefined);
        if (aligned.kind === "reordered") {
          expect(a).to.have.members(b);
          return;
        }
        const left = aligned.pairs.flatMap(([i]) => (i === null ? [] : [i]));
        const right = aligned.pairs.flatMap(([, j]) => (j === null ? [] : [j]));
        expect(left).to.deep.equal(a.map((_, i) => i));
        expect(right).to.deep.equal(b.map((_, j) => j));
      }),
    );
  });

  it("pairs as many equal items as a longest common subsequence has", () => {
    fc.assert(
      fc.property(lists, ([a, b]) => {
        const aligned = alignLists(a, b, () => undefined);
        if (aligned.kind === "reordered") return;
        const equal = aligned.pairs.filter(([i, j]) => i !== null && j !== null && a[i] === b[j]).length;
        expect(equal).to.be.at.least(commonLength(a, b));
      }),
    );
  });

  it("stays linear beyond 256 items on both sides", () => {
    let spent = 0;
    const a = Array.from({ length: 5000 }, (_, i) => i * 2);
    const b = Array.from({ length: 5001 }, (_, i) => i * 2 + 1);
    const aligned = alignLists(a, b, (steps) => (spent += steps));
    expect(spent).to.equal(0);
    expect(aligned.kind === "paired" && aligned.pairs.length).to.equal(5001);
  });
});

function commonLength(a: readonly number[], b: readonly number[]): number {
  if (a.length === 0 || b.length === 0) return 0;
  const rows = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0));
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      rows[i]![j] =
        a[i - 1] === b[j - 1] ? rows[i - 1]![j - 1]! + 1 : Math.max(rows[i - 1]![j]!, rows[i]![j - 1]!);
    }
  }
  return rows[a.length]![b.length]!;
}
