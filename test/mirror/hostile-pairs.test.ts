/** What a hostile service can do to the comparison: seconds of work in a naive one. */
import type { ComparePolicy } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import { createComparer, type Comparer } from "@sticky-proxy/mirror";

const policy: ComparePolicy = {
  sampleRate: 1,
  status: "exact",
  headers: [],
  exactErrors: false,
  ignore: [],
  rules: [],
  ttlMs: 1000,
  maxDifferences: 200,
};

type Answer = Parameters<Comparer["compare"]>[0];

function answer(body: string): Answer {
  return { status: 200, headers: [["content-type", "application/json"]], body: Buffer.from(body) };
}

describe("the comparer under hostile pairs", () => {
  const comparer = createComparer({ redactKey: "k" });
  after(() => comparer.close());

  it("hostile pairs of 1 MiB end, and none of them is called equal", async function () {
    this.timeout(60_000);
    const masked: ComparePolicy = {
      ...policy,
      ignore: [
        ["**", "x"],
        ["**", "*", "y"],
        ["*", "**", "z"],
      ],
    };
    for (const [name, [a, b]] of Object.entries(hostile())) {
      for (const rules of [policy, masked]) {
        const { comparison } = await comparer.compare(answer(a), answer(b), rules);
        expect(comparison.result, name).to.equal("different");
      }
    }
  });
});

/** Pairs of about 1 MiB that cost a naive comparison seconds. */
function hostile(): Record<string, readonly [string, string]> {
  const numbers = Array.from({ length: 60_000 }, (_, i) => i * 7919);
  const objects = Array.from({ length: 12_000 }, (_, i) => ({ id: i, name: `name ${i}`, tags: [i, i + 1] }));
  const nested = (depth: number, leaf: string): string => "[".repeat(depth) + leaf + "]".repeat(depth);
  const lists = (shift: number) =>
    Array.from({ length: 700 }, (_, i) => numbers.slice(i, i + 200 + shift).toReversed());
  return {
    reordered: [JSON.stringify(objects), JSON.stringify(objects.toReversed())],
    unlikeNumbers: [JSON.stringify(numbers), JSON.stringify(numbers.map((n) => n + 1))],
    unlikeObjects: [JSON.stringify(objects), JSON.stringify(objects.map((o) => ({ ...o, id: -o.id - 1 })))],
    deep: [nested(500_000, "1"), nested(500_000, "2")],
    deepest: [
      `[${Array.from({ length: 900 }, () => nested(490, "1")).join(",")}]`,
      `[${Array.from({ length: 900 }, () => nested(490, "2")).join(",")}]`,
    ],
    manyValues: [`[${"0,".repeat(500_000)}0]`, `[${"0,".repeat(500_000)}1]`],
    manyLists: [JSON.stringify(lists(0)), JSON.stringify(lists(3))],
    longString: [JSON.stringify("a".repeat(1_000_000)), JSON.stringify("a".repeat(999_999) + "b")],
    longNames: [
      JSON.stringify({ ["k".repeat(1_000_000)]: 1 }),
      JSON.stringify({ ["k".repeat(1_000_000)]: 2 }),
    ],
    longNumber: ["1".repeat(1_000_000), `${"1".repeat(999_999)}2`],
    escapes: [JSON.stringify("\u0001".repeat(160_000)), JSON.stringify("\u0002".repeat(160_000))],
    notJson: ["{".repeat(1_000_000), "}".repeat(1_000_000)],
  };
}
