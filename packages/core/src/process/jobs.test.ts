import { asEpochMs, asFence, asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { holdersWith, type Holder } from "./jobs.ts";
import { blankRecord, type ProcessRecord } from "./record.ts";

const record = (scope: string, more: Partial<ProcessRecord> = {}): ProcessRecord => ({
  ...blankRecord,
  scope: asScope(scope),
  epoch: asFence(1),
  attempt: 1,
  status: "in-progress",
  credential: "ann",
  ...more,
});
const refOf = ({ partition, scope, epoch, attempt }: ProcessRecord) => ({ partition, scope, epoch, attempt });
const held = (of: ProcessRecord, now: ProcessRecord | null = of): Holder => ({ ref: refOf(of), record: now });

describe("who holds a job id", () => {
  const mine = record("mine", { attempt: 2 });

  it("is the first process that gets it", () => {
    expect(holdersWith([], mine)).to.deep.equal([refOf(mine)]);
  });
  it("is not another owner's process while the first one runs", () => {
    expect(holdersWith([held(record("a", { credential: "bob" }))], mine)).to.equal(null);
  });
  it("is not another anonymous caller's process either: without a credential the address tells them apart", () => {
    const from = (scope: string, holder: string) => record(scope, { credential: "", holder });
    const here = from("mine", "address:192.0.2.1");
    expect(holdersWith([held(from("a", "address:192.0.2.2"))], here)).to.equal(null);
    expect(holdersWith([held(from("a", "address:192.0.2.1"))], here)).to.have.length(2);
    const proved = (scope: string, holder: string) => record(scope, { credential: "ann", holder });
    const own = proved("mine", "address:192.0.2.1");
    expect(holdersWith([held(proved("a", "address:192.0.2.2"))], own), "one credential").to.have.length(2);
  });
  it("are both where one owner's two processes get it", () => {
    const first = record("a");
    expect(holdersWith([held(first)], mine)).to.deep.equal([refOf(first), refOf(mine)]);
  });
  it("is the later process once the earlier has ended or is gone", () => {
    const first = record("a", { credential: "bob" });
    const ended = { ...first, status: "failed", endedAt: asEpochMs(1) } as const;
    expect(holdersWith([held(first, ended), held(record("b"), null)], mine)).to.deep.equal([refOf(mine)]);
  });
  it("is the later attempt of one process", () => {
    expect(holdersWith([held({ ...mine, attempt: 1 }, mine)], mine)).to.deep.equal([refOf(mine)]);
  });
  it("are 16 at most", () => {
    const many = (count: number) => Array.from({ length: count }, (_, i) => held(record(`s${i}`)));
    expect(holdersWith(many(15), mine)).to.have.length(16);
    expect(holdersWith(many(16), mine)).to.equal(null);
  });
});
