import { gzipSync } from "node:zlib";
import type { ComparePolicy } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import type { WorkerAnswer } from "./compare-worker.ts";
import { type Comparer, createComparer } from "./comparer.ts";

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
    const items = Array.from({ length: 12_000 }, (_, i) => ({ id: i, name: `name ${i}` }));
    const [forth, back] = [JSON.stringify(items), JSON.stringify(items.toReversed())];
    const slow = await comparer.compare(answer(forth), answer(back), policy);
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
});
