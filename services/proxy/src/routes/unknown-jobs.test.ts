import { expect } from "chai";
import { createUnknownJobs, graceMs, refusedMs } from "./unknown-jobs.ts";

describe("webhooks for unknown jobs", () => {
  let now: number;
  const make = () => createUnknownJobs(() => now);
  beforeEach(() => {
    now = 1000;
  });

  it("may come again for 10 s from the first one, and not for the next ten minutes", () => {
    const jobs = make();
    expect(jobs.isEarly("a", "1")).to.equal(true);
    now += graceMs - 1;
    expect(jobs.isEarly("a", "1")).to.equal(true);
    now += 1;
    expect(jobs.isEarly("a", "1")).to.equal(false);
    expect(jobs.isEarly("a", "2")).to.equal(true);
    expect(jobs.isEarly("b", "1")).to.equal(true);
    now += refusedMs;
    expect(jobs.isEarly("a", "1")).to.equal(true);
  });

  it("a bounded number is remembered: the oldest is forgotten first", () => {
    const jobs = make();
    jobs.isEarly("a", "first");
    now += graceMs;
    for (let i = 0; i < 9_999; i += 1) jobs.isEarly("a", String(i));
    expect(jobs.isEarly("a", "first")).to.equal(false);
    jobs.isEarly("a", "one more");
    expect(jobs.isEarly("a", "first")).to.equal(true);
  });
});
