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
  // One for all: its thread takes longer to start than all of these comparisons.
  let comparer: Comparer;
  before(() => {
    comparer = createComparer({ redactKey: "k" });
  });
  after(() => comparer.close());

  it("compares in its thread and returns both digests", async () => {
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

  it("decodes content codings, and a body whose decoded size is above the limit is too-large", async () => {
    const zipped = answer(gzipSync('{"a":1}'), [["content-encoding", "gzip"]]);
    expect((await comparer.compare(zipped, answer('{"a": 1}'), policy)).comparison.result).to.equal(
      "matched",
    );
    const bomb = answer(gzipSync(Buffer.alloc(64 * 1024 * 1024)), [["content-encoding", "gzip"]]);
    expect((await comparer.compare(bomb, answer("{}"), policy)).comparison.class).to.equal("too-large");
  });

  it("returns a result for every pair, in order, also for many at once", async () => {
    const pairs = Array.from({ length: 50 }, (_, i) => comparer.compare(answer(`${i}`), answer("0"), policy));
    const results = await Promise.all(pairs);
    expect(results.map(({ comparison }) => comparison.result)).to.deep.equal(
      results.map((_, i) => (i === 0 ? "matched" : "different")),
    );
    expect(comparer.waiting).to.equal(0);
  });

  it("a pair that takes too long is too-large, and another one is compared", async () => {
    const hasty = createComparer({ redactKey: "k", timeoutMs: 1 });
    const slow = await hasty.compare(answer("[]"), answer("[1]"), policy);
    expect(slow.comparison.class, "its thread has not even started").to.equal("too-large");
    await hasty.close();
    expect((await comparer.compare(answer("1"), answer("1.0"), policy)).comparison.result).to.equal(
      "matched",
    );
  });

  it("a closed comparer never returns equal", async () => {
    const closed = createComparer({ redactKey: "k" });
    await closed.close();
    expect((await closed.compare(answer("1"), answer("1"), policy)).comparison.class).to.equal("too-large");
  });
});
