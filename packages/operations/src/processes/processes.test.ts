import { asFence, asScope } from "@sticky-proxy/protocol";
import { partitionOf } from "@sticky-proxy/core/idempotency";
import { processId, type BeginRequest, type ProcessRecord } from "@sticky-proxy/core/process";
import { createTestWorld, testRequest } from "@sticky-proxy/core/testing";
import { createTestProcesses, lostAnswer } from "@sticky-proxy/engine/testing";
import { expect } from "chai";
import { listServices } from "../services.ts";
import { storeNow } from "../store-clock.ts";
import { cancelProcess } from "./cancel.ts";
import { parseProcessRef } from "./ref.ts";
import { rerunProcess } from "./rerun.ts";
import { showProcess, shownProcessView } from "./show.ts";
import { waitForProcess } from "./wait.ts";

function world() {
  const base = createTestWorld();
  const { clock, store } = base;
  const { processes, begin, apply } = createTestProcesses(base);
  const told: ProcessRecord[] = [];
  const ports = { processes, tellCancelled: (record: ProcessRecord) => void told.push(record) };
  return {
    clock,
    store,
    told,
    ports,
    begin,
    completed: async (over: Partial<BeginRequest> = {}) =>
      apply(await begin(over), {
        type: "responded",
        attempt: 1,
        status: 200,
        result: { id: "r", response: { status: 200, headers: [], body: new Uint8Array() } },
        retryAfterMs: null,
      }),
    dead: async (over: Partial<BeginRequest> = {}) => apply(await begin(over), lostAnswer),
    /** A wait that nothing wakes ends at once; `meanwhile` happens during its first sleep. */
    waitFor(record: ProcessRecord, meanwhile: () => Promise<unknown> = () => Promise.resolve()) {
      const sleep = async (ms: number) => {
        await meanwhile();
        clock.advance(ms);
      };
      const waiting = { store, changes: store, sleep, random: base.random, clock };
      return waitForProcess(waiting, record, { timeoutMs: 5000, signal: new AbortController().signal });
    },
  };
}

describe("operating processes", () => {
  it("a process shows its record, its timeline and its request without secrets, key and body", async () => {
    const w = world();
    const record = await w.dead({
      request: testRequest({
        head: { method: "POST", path: "/c", query: "token=abc", headers: [["Cookie", "secret"]] },
        key: "secret-key",
        body: new Uint8Array(3),
      }),
    });
    const shown = (await showProcess({ store: w.store }, record))!;
    expect(shown.timeline.map(({ event }) => event)).to.deep.equal(["created", "failed"]);
    const seen: unknown[] = [];
    const view = shownProcessView(shown, (value) => {
      seen.push(value);
      return "redacted";
    });
    expect(view).to.include({ deadLetter: "upstream", request: "redacted", webhook: null });
    expect(seen).to.deep.equal([
      { method: "POST", target: "/c?token=abc", headers: { cookie: "secret" }, bodyBytes: 3 },
    ]);
    expect(JSON.stringify([view, seen])).not.to.contain("secret-key");
    expect(await showProcess({ store: w.store }, { ...record, epoch: asFence(1) })).to.equal(null);
  });

  it("a process whose request was not kept shows none", async () => {
    const w = world();
    const shown = (await showProcess({ store: w.store }, await w.dead({ request: null })))!;
    expect(shownProcessView(shown, (value) => value).request).to.equal(null);
  });

  it("a cancel ends a running process and tells its service once", async () => {
    const w = world();
    const record = await w.begin();
    const by = { actor: "ann", reason: "customer called" };
    const first = await cancelProcess(w.ports, record, by);
    const again = await cancelProcess(w.ports, record, by);
    for (const cancelled of [first, again])
      expect(cancelled).to.have.nested.property("record.status", "cancelled");
    expect(w.told.map(processId)).to.deep.equal([processId(record)]);
    expect(w.told[0]!.status).to.equal("in-progress");
    const acts = (await w.store.timeline(record)).filter(({ event }) => event === "operator-cancel");
    expect(acts, "one, though it was asked twice").to.have.length(1);
    expect(acts[0]).to.include(by);
  });

  it("a cancel of a process that has ended or is unknown changes nothing and tells nobody", async () => {
    const w = world();
    const record = await w.completed();
    expect(await cancelProcess(w.ports, record)).to.deep.include({ kind: "ended", record });
    expect(await cancelProcess(w.ports, { ...record, epoch: asFence(1) })).to.deep.equal({
      kind: "not-found",
    });
    expect(w.told).to.deep.equal([]);
  });

  it("a re-run makes a new process that is due for a sweeper", async () => {
    const w = world();
    const record = await w.completed();
    const rerun = await rerunProcess(w.ports, record, { cancelRunning: false });
    if (rerun.kind !== "started") throw new Error(rerun.kind);
    expect(rerun.record).to.include({ status: "pending", owner: null, rerunOf: record.epoch });
    expect(w.told).to.deep.equal([]);
  });

  it("a re-run replaces a running process only when told to, and then tells its service", async () => {
    const w = world();
    const record = await w.begin();
    expect(await rerunProcess(w.ports, record, { cancelRunning: false })).to.have.property("kind", "running");
    expect(w.told).to.deep.equal([]);
    expect(await rerunProcess(w.ports, record, { cancelRunning: true })).to.have.property("kind", "started");
    expect(w.told.map(processId)).to.deep.equal([processId(record)]);
  });

  it("a re-run needs a process and its request", async () => {
    const w = world();
    const record = await w.dead({ request: null });
    const unknown = { ...record, epoch: asFence(1) };
    expect(await rerunProcess(w.ports, record, { cancelRunning: false })).to.deep.equal({
      kind: "no-request",
    });
    expect(await rerunProcess(w.ports, unknown, { cancelRunning: false })).to.deep.equal({
      kind: "not-found",
    });
  });

  it("a wait returns when the process ends, and at its timeout when it does not", async () => {
    const w = world();
    const record = await w.begin();
    expect(await w.waitFor(record)).to.have.property("kind", "running");
    const ended = await w.waitFor(record, () => cancelProcess(w.ports, record));
    expect(ended.kind).to.equal("ended");
    expect(ended).to.have.nested.property("record.status", "cancelled");
    expect(await w.waitFor({ ...record, epoch: asFence(1) })).to.deep.equal({ kind: "not-found" });
  });

  it("a process id is parsed only when it lies in the partition of its scope", () => {
    const scope = asScope("s".repeat(22));
    const ref = { scope, partition: partitionOf(scope, 64), epoch: asFence(5) };
    expect(parseProcessRef(processId(ref), 64)).to.deep.equal(ref);
    expect(parseProcessRef(processId({ ...ref, partition: (ref.partition + 1) % 64 }), 64)).to.equal(null);
    expect(parseProcessRef("nonsense", 64)).to.equal(null);
  });

  it("services are those of the configuration and those that have had processes, sorted, each once", async () => {
    const registered = () => Promise.resolve(["c", "a"]);
    expect(await listServices({ configured: [{ name: "b" }, { name: "a" }], registered })).to.deep.equal([
      "a",
      "b",
      "c",
    ]);
  });

  it("the store's clock is read without any process", async () => {
    const { ports, clock } = world();
    expect(await storeNow(ports.processes)).to.equal(clock.now());
  });
});
