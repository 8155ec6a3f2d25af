import { expect } from "chai";
import { needsALook, type Findings, type ServiceFinding } from "./checks.ts";

const calm: ServiceFinding = {
  name: "pay",
  counts: { completed: 9 },
  running: 0,
  oldestMs: null,
  instances: 2,
  down: [],
  open: [],
  pausedMs: 0,
};
const quiet: Findings = {
  now: 1_000_000,
  services: [calm],
  replicas: [
    { id: "a", role: "proxy", config: "1" },
    { id: "b", role: "sweeper", config: "1" },
  ],
  coverage: [],
  deadLetters: { total: 0, groups: [] },
  cacheBytes: 0,
};
const letters = (executed: string, kind = "upstream") => ({
  total: 7,
  groups: [
    {
      service: "pay",
      operation: "POST /x",
      class: kind,
      reason: "503",
      executed,
      count: 7,
      newestAt: 940_000,
    },
  ],
});
const service = (change: Partial<ServiceFinding>): Partial<Findings> => ({
  services: [{ ...calm, ...change }],
});

describe("what needs a look", () => {
  it("is nothing while all is quiet", () => expect(needsALook(quiet).failing).to.deep.equal([]));

  const cases: readonly (readonly [string, Partial<Findings>, string, RegExp])[] = [
    [
      "an instance that is down",
      service({ down: ["a"] }),
      "instance-down",
      /a does not answer.*runs on 1 of 2/,
    ],
    [
      "letters that did not run",
      { deadLetters: letters("no") },
      "dead-letters",
      /7 dead letters.*safe to redrive/,
    ],
    [
      "letters of which nobody knows",
      { deadLetters: letters("unknown") },
      "executed-unknown",
      /7 processes ended unknown.*second time/,
    ],
    ["letters that ran", { deadLetters: letters("yes") }, "executed-unknown", /after the service ran them/],
    [
      "a callback that never came",
      { deadLetters: letters("unknown", "callback") },
      "callback-overdue",
      /7 callbacks never came/,
    ],
    ["an open circuit", service({ open: ["a"] }), "breaker-open", /circuit of pay is open.*a/],
    ["a pause", service({ pausedMs: 2500 }), "paused", /pay is paused.*3 s/],
    [
      "a process of more than an hour",
      service({ oldestMs: 3_600_001, running: 4 }),
      "stuck",
      /4 are running/,
    ],
    ["no sweeper", { replicas: [{ id: "a", role: "proxy", config: "1" }] }, "no-sweeper", /No sweeper/],
    [
      "different configurations",
      { replicas: [...quiet.replicas, { id: "c", role: "proxy", config: "2" }] },
      "config-drift",
      /c 2/,
    ],
    ["a cache without its store", { cacheBytes: null }, "cache-store", /cache/],
  ];
  for (const [name, change, check, says] of cases)
    it(`${name} is said once, with a link`, () => {
      const { failing, checks } = needsALook({ ...quiet, ...change });
      expect(failing.map((one) => one.check)).to.deep.equal([check]);
      expect(`${failing[0]!.what} · ${failing[0]!.detail}`).to.match(says);
      expect(failing[0]!.link).to.match(/^\//);
      expect(checks).to.be.at.least(11);
    });

  it("an hour is not yet too long, and a link keeps the reason's spelling", () => {
    expect(needsALook({ ...quiet, ...service({ oldestMs: 3_600_000 }) }).failing).to.deep.equal([]);
    const odd = { ...letters("no").groups[0]!, reason: "a&b=c" };
    const [found] = needsALook({ ...quiet, deadLetters: { total: 7, groups: [odd] } }).failing;
    expect(new URL(found!.link, "http://x").searchParams.get("reason")).to.equal("a&b=c");
  });
});
