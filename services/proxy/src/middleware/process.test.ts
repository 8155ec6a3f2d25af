import { createTestWorld, testRoute } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import { createSecretKey } from "node:crypto";
import type { ProxyState } from "../state.ts";
import type { SubmissionOptions } from "../submit/submission-options.ts";
import type { SubmitDeps } from "../submit/submission.ts";
import { stickyProcess } from "./process.ts";
import { outcomeOf, testContext, testState } from "./testing.ts";

/** A process step whose store answers each submission with the stored result of an earlier one. */
async function stepped(over: Partial<ProxyState>, draining = false) {
  const world = createTestWorld();
  const verdicts: string[] = [];
  const bodies: Uint8Array[] = [];
  let accepted = 0;
  const draft = world.draft({ status: "completed", resultPayload: "x", identity: "key" });
  const created = await world.store.create(draft, { withResult: false });
  if (created.kind !== "created") throw new Error(created.kind);
  const { record } = created;
  const result = { status: 201, headers: [], body: Buffer.from("stored") };
  const deps = {
    processes: {
      store: world.store,
      begin: ({ request }: { request: { body: Uint8Array } }) => {
        bodies.push(request.body);
        return Promise.resolve({ verdict: "replay", record, result });
      },
    },
    pacing: { pausedMs: () => 0 },
    secret: createSecretKey(Buffer.alloc(32)),
    newId: world.newId,
    onVerdict: (service: string, verdict: string) => verdicts.push(`${service} ${verdict}`),
  } as unknown as SubmitDeps;
  const options = {
    key: "k",
    rules: world.rules,
    force: false,
    onDuplicate: "join",
    applied: null,
    isPlain: false,
  } as unknown as SubmissionOptions;
  const state = testState({
    route: world.route,
    options,
    acceptBody: () => void (accepted += 1),
    ...over,
  });
  const outcome = await outcomeOf(stickyProcess(deps, { draining }), testContext(state).ctx);
  return { outcome, state, verdicts, bodies, accepted };
}

describe("the process step", () => {
  it("answers a submission with what its process has, and notes process and verdict", async () => {
    const { outcome, state, verdicts, accepted } = await stepped({});
    expect([outcome, accepted]).to.deep.equal(["done", 1]);
    expect(state.reply).to.include({ status: 201 });
    expect(state.verdict).to.equal("replay");
    expect(state.logFields["verdict"]).to.equal("replay");
    expect(state.logFields["processId"]).to.be.a("string").and.not.equal("");
    expect(verdicts).to.deep.equal(["payments replay"]);
  });

  for (const { what, body, sent } of [
    { what: "the bytes that were read", body: Buffer.from("b"), sent: "b" },
    { what: "an empty body where there is none", body: null, sent: "" },
  ]) {
    it(`submits ${what}`, async () => {
      expect((await stepped({ body })).bodies.map(String)).to.deep.equal([sent]);
    });
  }

  for (const { what, over, verdicts } of [
    {
      what: "without an identity on a process route, and counts it",
      over: { options: null },
      verdicts: ["payments bypass"],
    },
    {
      what: "on a route without a process, uncounted",
      over: { options: null, route: testRoute() },
      verdicts: [],
    },
    { what: "without a service", over: { options: null, service: null, route: null }, verdicts: [] },
  ] satisfies { what: string; over: Partial<ProxyState>; verdicts: string[] }[]) {
    it(`hands on a request ${what}`, async () => {
      const found = await stepped(over, true);
      expect(found.outcome).to.equal("next");
      expect(found.verdicts).to.deep.equal(verdicts);
      expect(found.bodies).to.deep.equal([]);
    });
  }

  it("begins nothing while the node drains", async () => {
    const { outcome, bodies, accepted } = await stepped({}, true);
    expect(outcome).to.include({ slug: "draining", executed: "no" });
    expect([bodies, accepted]).to.deep.equal([[], 0]);
  });
});
