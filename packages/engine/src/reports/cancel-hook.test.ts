import { asFence, asScope } from "@sticky-proxy/protocol";
import type { ServerResponse } from "node:http";
import { blankRecord, unkeyedPolicy, type FoundRoute, type ProcessRecord } from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { createCancelHook, type CancelHook, type CancelHookDeps } from "./cancel-hook.ts";
import { createOutboundCallers, type OutboundCallers } from "@sticky-proxy/upstream";

const record: ProcessRecord = {
  ...blankRecord,
  partition: 3,
  scope: asScope("abcdefghijklmnopqrstuv"),
  epoch: asFence(40),
  fence: asFence(41),
  attempt: 2,
  service: "reports",
  jobId: "job-7",
};

describe("the cancel hook", () => {
  let upstream: FakeUpstream;
  let callers: OutboundCallers;
  let outcomes: string[];

  beforeEach(async () => {
    upstream = await FakeUpstream.start();
    callers = createOutboundCallers();
    outcomes = [];
  });
  afterEach(async () => {
    callers.close();
    await upstream.close();
  });

  function hookTo(cancelHook: string | null, more: Partial<CancelHookDeps> = {}): CancelHook {
    const found = {
      service: { instances: [{ name: "a", origin: upstream.origin, weight: 1 }] } as Partial<Service>,
      rules: { policy: { ...unkeyedPolicy, cancelHook } },
    } as FoundRoute;
    return createCancelHook({
      find: () => found,
      callers,
      random: () => 0,
      onOutcome: (_record, outcome, detail) => outcomes.push(`${outcome}: ${detail}`),
      timeoutMs: 5000,
      ...more,
    });
  }

  it("posts the process, its attempt and the service's own job id to a path of the service", async () => {
    const hook = hookTo("/jobs/cancel");
    hook.tell(record);
    await hook.idle();
    const { method, target, headers, body } = upstream.last;
    expect([method, target]).to.deep.equal(["POST", "/jobs/cancel"]);
    expect(headers.get("sticky-process-id")).to.equal("3.abcdefghijklmnopqrstuv.14");
    expect(headers.get("sticky-fence")).to.equal("41");
    expect(JSON.parse(body.toString())).to.deep.equal({
      processId: "3.abcdefghijklmnopqrstuv.14",
      service: "reports",
      attempt: 2,
      fence: asFence(41),
      jobId: "job-7",
    });
    expect(outcomes).to.deep.equal(["told: status 200"]);
  });

  it("takes an absolute address on an instance, and guards any other", async () => {
    const own = hookTo(`${upstream.origin}/x`);
    own.tell(record);
    await own.idle();
    const foreign = hookTo("http://127.0.0.2:1/x");
    foreign.tell(record);
    await foreign.idle();
    expect(outcomes).to.deep.equal(["told: status 200", "refused: it is loopback"]);
  });

  it("says how it went and never throws", async () => {
    upstream.respond((_request, response) => response.writeHead(500).end());
    const hook = hookTo("/x");
    hook.tell(record);
    await hook.idle();
    upstream.respond(() => undefined);
    const impatient = hookTo("/x", { timeoutMs: 100 });
    impatient.tell(record);
    await impatient.idle();
    expect(outcomes).to.deep.equal(["refused: status 500", "unreachable: ETIMEDOUT"]);
  });

  it("tells nobody when the route names no hook or nothing was ever sent", async () => {
    const none = hookTo(null);
    none.tell(record);
    const unsent = hookTo("/x");
    unsent.tell({ ...record, attempt: 0 });
    const gone = hookTo("/x", { find: () => null });
    gone.tell(record);
    await Promise.all([none.idle(), unsent.idle(), gone.idle()]);
    expect(upstream.requests).to.have.length(0);
  });

  it("bounds how many are under way and says what it skipped", async () => {
    const held: ServerResponse[] = [];
    upstream.respond((_request, response) => {
      if (held.push(response) === 2) for (const each of held) each.end();
    });
    const hook = hookTo("/x", { maxInFlight: 2 });
    for (let i = 0; i < 4; i += 1) hook.tell(record);
    expect(outcomes).to.deep.equal(["skipped: too-many", "skipped: too-many"]);
    await hook.idle();
    expect(upstream.requests).to.have.length(2);
  });
});
