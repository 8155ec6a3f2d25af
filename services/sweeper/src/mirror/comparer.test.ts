import { gzipSync } from "node:zlib";
import type { ComparePolicy } from "@sticky-proxy/core";
import { expect } from "chai";
import type { WorkerAnswer } from "../compare-worker.ts";
import type { Comparer } from "./comparer.ts";
import { createComparer } from "./comparer.ts";

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

function answer(body: string | Uint8Array, headers: [string, string][] = []): WorkerAnswer {
  return {
    status: 200,
    headers: [["content-type", "application/json"], ...headers],
    body: Buffer.from(body),
  };
}

describe("the comparer", () => {
  let comparer: Comparer;
  beforeEach(() => {
    comparer = createComparer({ redactKey: "k" });
  });
  afterEach(() => comparer.close());

  it("compares in its thread and gives both digests", async () => {
    const { comparison, primary, secondary } = await comparer.compare(
      answer('{"a":1}'),
      answer('{"a":2}'),
      policy,
    );
    expect(comparison).to.deep.include({ result: "different", class: "body" });
    expect(comparison.edits[0]!.path).to.equal("/a");
    expect(primary).to.include({ bytes: 7 });
    expect(primary.sha256)
      .to.match(/^[0-9a-f]{64}$/)
      .and.not.equal(secondary.sha256);
  });

  it("removes content codings, and a body that inflates beyond its bounds is too-large", async () => {
    const zipped = answer(gzipSync('{"a":1}'), [["content-encoding", "gzip"]]);
    expect((await comparer.compare(zipped, answer('{"a": 1}'), policy)).comparison.result).to.equal(
      "matched",
    );
    const bomb = answer(gzipSync(Buffer.alloc(64 * 1024 * 1024)), [["content-encoding", "gzip"]]);
    expect((await comparer.compare(bomb, answer("{}"), policy)).comparison.class).to.equal("too-large");
  });

  it("answers every pair, in order, also when handed many at once", async () => {
    const pairs = Array.from({ length: 50 }, (_, i) => comparer.compare(answer(`${i}`), answer("0"), policy));
    const results = await Promise.all(pairs);
    expect(results.map(({ comparison }) => comparison.result)).to.deep.equal(
      results.map((_, i) => (i === 0 ? "matched" : "different")),
    );
    expect(comparer.waiting).to.equal(0);
  });

  it("a pair that takes too long is too-large, and the next one is compared", async () => {
    await comparer.close();
    comparer = createComparer({ redactKey: "k", timeoutMs: 1 });
    const reordered = hostile()["reordered"]!;
    const slow = await comparer.compare(answer(reordered[0]), answer(reordered[1]), policy);
    expect(slow.comparison.class).to.equal("too-large");
    await comparer.close();
    comparer = createComparer({ redactKey: "k" });
    expect((await comparer.compare(answer("1"), answer("1.0"), policy)).comparison.result).to.equal(
      "matched",
    );
  });

  it("a closed comparer never says equal", async () => {
    await comparer.close();
    expect((await comparer.compare(answer("1"), answer("1"), policy)).comparison.class).to.equal("too-large");
  });

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
