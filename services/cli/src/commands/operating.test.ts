import { asFence, asScope } from "@sticky-proxy/protocol";
import { createTestWorld, type MemoryStore, type TestWorld } from "@sticky-proxy/core/testing";
import { lostAnswer } from "@sticky-proxy/engine/testing";
import { partitionOf } from "@sticky-proxy/core/idempotency";
import {
  processId,
  type BeginRequest,
  type ProcessEvent,
  type ProcessRecord,
} from "@sticky-proxy/core/process";
import { expect } from "chai";
import { userInfo } from "node:os";
import { exitCodes, UsageError, type Io, type Parsed } from "../command.ts";
import { cancel } from "./cancel.ts";
import { dlq } from "./dlq.ts";
import { force } from "./force.ts";
import { operatorOn, type Operator } from "../connections/processes.ts";
import { ps } from "./ps.ts";
import { printAudit } from "./audit.ts";
import { actWith } from "../connections/audit.ts";
import { createMemoryAudit, type MemoryAudit } from "../testing.ts";
import { show } from "./show.ts";
import { stillRunning, wait } from "./wait.ts";

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** The one JSON document. */
  json(): any; // oxlint-disable-line no-explicit-any
}

describe("operating processes from the command line", () => {
  let world: TestWorld;
  let store: MemoryStore;
  let operator: Operator;
  let told: string[];
  let audit: MemoryAudit;
  let count: number;

  beforeEach(() => {
    world = createTestWorld({ random: 0 });
    count = 0;
    ({ store } = world);
    told = [];
    audit = createMemoryAudit();
    operator = {
      ...operatorOn({ store, rulesOf: () => world.rules }),
      audit,
      act: actWith(audit),
      waiting: {
        store,
        changes: store,
        // A wait that no change ends is over at once.
        sleep: () => {
          world.clock.advance(1000);
          return Promise.resolve();
        },
        random: world.random,
        clock: world.clock,
      },
      services: () => Promise.resolve(["payments", "reports"]),
      holders: { sums: async () => [], async *places() {} },
      tellCancelled: (record) => told.push(processId(record)),
      close: () => Promise.resolve(),
    };
  });

  async function run(
    command: (operator: Operator, parsed: Parsed, io: Io) => Promise<number>,
    words: readonly string[],
    flags: Parsed["flags"] = {},
  ): Promise<Run> {
    const out: string[] = [];
    const err: string[] = [];
    const io: Io = { out: (line) => out.push(line), err: (line) => err.push(line), env: {} };
    const code = await command(operator, { flags, words }, io);
    return { code, out: out.join("\n"), err: err.join("\n"), json: () => JSON.parse(out.join("\n")) };
  }

  async function begin(service = "payments", over: Partial<BeginRequest> = {}): Promise<ProcessRecord> {
    count += 1;
    const scope = asScope(`scope${count}`.padEnd(22, "x"));
    const begun = await operator.processes.begin(
      world.request({
        scope,
        partition: partitionOf(scope, store.partitions),
        service,
        operation: `POST /${count}`,
        request: {
          head: {
            method: "POST",
            path: `/${count}`,
            query: "token=abc&x=1",
            headers: [["Authorization", "Bearer abcdefghijkl"]],
          },
          key: "secret-key",
          body: new Uint8Array(3),
        },
        ...over,
      }),
    );
    world.clock.advance(1000);
    return begun.record;
  }
  async function apply(record: ProcessRecord, event: ProcessEvent): Promise<ProcessRecord> {
    const applied = await operator.processes.apply(record, event);
    if (applied.kind !== "applied") throw new Error(applied.kind);
    return applied.record;
  }
  async function dead(service = "payments", over: Partial<BeginRequest> = {}): Promise<ProcessRecord> {
    return apply(await begin(service, over), lostAnswer);
  }
  async function completed(): Promise<ProcessRecord> {
    return apply(await begin(), {
      type: "responded",
      attempt: 1,
      status: 200,
      result: { id: "r", response: { status: 200, headers: [], body: new Uint8Array(0) } },
      retryAfterMs: null,
    });
  }

  describe("ps", () => {
    it("ps lists by service, status and age, newest first, page by page", async () => {
      const first = await begin();
      const other = await begin("reports");
      const failed = await dead();
      const all = await run(ps, []);
      expect(all.code).to.equal(exitCodes.ok);
      expect(all.out.split("\n").map((line) => line.split(/ +/)[0])).to.deep.equal([
        "ID",
        processId(first),
        processId(other),
        processId(failed),
      ]);
      expect((await run(ps, [], { status: "failed", json: true })).json().processes).to.have.length(1);
      expect((await run(ps, ["reports"], { json: true })).json().processes[0].id).to.equal(processId(other));
      expect((await run(ps, [], { "older-than": "3s", json: true })).json().processes).to.have.length(1);
      const page = (await run(ps, [], { limit: "2", json: true })).json();
      const rest = (await run(ps, [], { limit: "2", json: true, cursor: page.next })).json();
      expect([...page.processes, ...rest.processes].map(({ id }) => id)).to.deep.equal(
        [first, other, failed].map(processId),
      );
      expect(rest.next).to.equal(null);
    });

    it("ps refuses a flag value that is not valid", async () => {
      for (const flags of [
        { status: "done" },
        { "older-than": "soon" },
        { limit: "0" },
        { limit: "1001" },
        { cursor: "x" },
      ]) {
        const error = await run(ps, [], flags).catch((thrown: unknown) => thrown);
        expect(error, JSON.stringify(flags)).to.be.instanceOf(UsageError);
      }
    });

    it("ps prints no control characters of a client", async () => {
      await begin("payments", { operation: "POST /\u001b[2J\nx" });
      const { out } = await run(ps, []);
      expect(out).to.match(/POST \/\?\[2J\?x/);
      expect(out).not.to.include("\u001b");
    });
  });

  describe("show", () => {
    it("show prints state, timeline and request without secrets", async () => {
      const record = await dead();
      const { code, out } = await run(show, [processId(record)]);
      expect(code).to.equal(exitCodes.ok);
      expect(out).to.include("deadLetter: upstream").and.include("reason: connection_terminated");
      expect(out).to.match(/timeline:\n {2}\S+Z created .*\n {2}\S+Z failed /);
      for (const secret of ["abcdefghijkl", "token=abc", "secret-key"]) expect(out).not.to.include(secret);
      const shown = (await run(show, [processId(record)], { json: true })).json();
      expect(shown).to.include({ status: "failed", deadLetter: "upstream", attempt: 1 });
      expect(shown.request).to.include({ method: "POST", bodyBytes: 3 });
      expect(JSON.stringify(shown)).not.to.include("abcdefghijkl");
    });

    it("show fails for an unknown process and refuses a word that is not an id", async () => {
      const record = await begin();
      const unknown = await run(show, [processId({ ...record, epoch: asFence(1) })]);
      expect([unknown.code, unknown.out]).to.deep.equal([exitCodes.failed, ""]);
      for (const words of [
        [],
        ["nonsense"],
        [processId({ ...record, partition: (record.partition + 1) % 64 })],
      ]) {
        const error = await run(show, words).catch((thrown: unknown) => thrown);
        expect(error).to.be.instanceOf(UsageError);
      }
    });
  });

  describe("cancel", () => {
    it("cancel needs --yes and tells the service once", async () => {
      const record = await begin();
      const id = processId(record);
      const asked = await run(cancel, [id]);
      expect([asked.code, told.length]).to.deep.equal([exitCodes.failed, 0]);
      expect(asked.err).to.include("--yes");
      expect((await run(cancel, [id], { yes: true })).code).to.equal(exitCodes.ok);
      expect(told).to.deep.equal([id]);
      const again = await run(cancel, [id], { yes: true, json: true });
      expect([again.code, again.json().status, told.length]).to.deep.equal([exitCodes.ok, "cancelled", 1]);
    });

    it("cancel fails for a process that has ended", async () => {
      const { code, err } = await run(cancel, [processId(await completed())], { yes: true });
      expect([code, err]).to.deep.equal([exitCodes.failed, "the process has ended: completed"]);
    });
  });

  describe("force", () => {
    it("force needs --yes and makes a new process that a sweeper sends", async () => {
      const id = processId(await completed());
      const asked = await run(force, [id]);
      expect([asked.code, store.all().length]).to.deep.equal([exitCodes.failed, 1]);
      expect(asked.err).to.include("executed: yes");
      const { code, out } = await run(force, [id], { yes: true });
      expect(code).to.equal(exitCodes.ok);
      const next = store.all().find((record) => processId(record) === out);
      expect(next).to.include({ status: "pending", owner: null, wakeAt: world.clock.now() });
    });

    it("force replaces a running process with --cancel-running only, and needs the request", async () => {
      const running = await begin();
      expect((await run(force, [processId(running)], { yes: true })).code).to.equal(exitCodes.failed);
      expect((await run(force, [processId(running)], { yes: true, "cancel-running": true })).code).to.equal(
        0,
      );
      expect(told).to.deep.equal([processId(running)]);
      const without = await dead("payments", { request: null });
      const { code, err } = await run(force, [processId(without)], { yes: true });
      expect([code, err]).to.deep.equal([
        exitCodes.failed,
        "the request of this process was not kept, so it cannot be sent again",
      ]);
    });
  });

  describe("wait", () => {
    it("wait tells by its exit code whether the process completed, failed or still runs", async () => {
      expect((await run(wait, [processId(await completed())])).code).to.equal(0);
      expect((await run(wait, [processId(await dead())])).code).to.equal(1);
      const running = await run(wait, [processId(await begin())], { timeout: "5s" });
      expect([running.code, running.out]).to.deep.equal([stillRunning, "in-progress"]);
    });

    it("wait returns when the process ends", async () => {
      const record = await begin();
      operator = {
        ...operator,
        waiting: {
          ...operator.waiting,
          sleep: async () => {
            await operator.processes.apply(record, { type: "cancelled" });
          },
        },
      };
      const { code, out } = await run(wait, [processId(record)], { json: true });
      expect([code, JSON.parse(out).status]).to.deep.equal([1, "cancelled"]);
    });
  });

  describe("dlq", () => {
    it("dlq list prints what matches the filter, and dlq show prints one dead letter", async () => {
      const letter = await dead();
      await dead("reports");
      await completed();
      const listed = (await run(dlq, ["list"], { json: true, service: "payments" })).json();
      expect(listed.deadLetters.map(({ id }: { id: string }) => id)).to.deep.equal([processId(letter)]);
      const { out } = await run(dlq, ["list"]);
      expect(out.split("\n")).to.have.length(3);
      expect(out).to.match(/payments +upstream +unknown +connection_terminated +\S+ +kept +POST \/1/);
      expect((await run(dlq, ["show", processId(letter)], { json: true })).json().deadLetter).to.equal(
        "upstream",
      );
      expect((await run(dlq, ["show", processId(await completed())])).code).to.equal(exitCodes.failed);
    });

    it("dlq redrive of one dead letter needs --yes", async () => {
      const id = processId(await dead());
      expect((await run(dlq, ["redrive", id])).code).to.equal(exitCodes.failed);
      const { code, out } = await run(dlq, ["redrive", id], { yes: true, json: true });
      expect([code, JSON.parse(out).result]).to.deep.equal([exitCodes.ok, "rerun"]);
      const again = await run(dlq, ["redrive", id], { yes: true });
      expect([again.code, again.err]).to.deep.equal([exitCodes.failed, `${id} was not redriven: not-dead`]);
    });

    it("dlq redrive of all that match changes nothing in its dry run", async () => {
      for (let i = 0; i < 3; i += 1) await dead();
      await dead("reports");
      await dead("payments", { request: null });
      const before = store.all();
      const dry = await run(dlq, ["redrive"], { service: "payments", "dry-run": true, json: true });
      expect([dry.code, dry.json().plan.count]).to.deep.equal([exitCodes.ok, 4]);
      expect(dry.json().plan.outlook).to.include({ rerun: 3, "no-request": 1 });
      const asked = await run(dlq, ["redrive"], { service: "payments" });
      expect([asked.code, asked.out.split("\n")[0]]).to.deep.equal([
        exitCodes.failed,
        "4 dead letters match",
      ]);
      expect(store.all()).to.deep.equal(before);
      const { code, out } = await run(dlq, ["redrive"], { service: "payments", yes: true });
      expect([code, out.split("\n").at(-1)]).to.deep.equal([exitCodes.failed, "redriven: 3 of 4"]);
      const rest = await run(dlq, ["redrive"], { service: "reports", yes: true, json: true });
      expect([rest.code, rest.json().report]).to.deep.equal([
        exitCodes.ok,
        { counts: { rerun: 1 }, isComplete: true },
      ]);
    });

    it("dlq redrive of everything needs --all", async () => {
      await dead();
      const error = await run(dlq, ["redrive"], { yes: true }).catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(UsageError);
      expect((await run(dlq, ["redrive"], { yes: true, all: true })).code).to.equal(exitCodes.ok);
    });

    it("dlq discard needs --yes", async () => {
      const id = processId(await dead());
      expect((await run(dlq, ["discard", id])).code).to.equal(exitCodes.failed);
      expect((await run(dlq, ["discard", id], { yes: true })).code).to.equal(exitCodes.ok);
      expect((await run(dlq, ["list"], { json: true })).json().deadLetters).to.deep.equal([]);
    });

    it("dlq refuses unknown actions and surplus words", async () => {
      for (const words of [[], ["fly"], ["list", "x"], ["redrive", "a", "b"]]) {
        const error = await run(dlq, words).catch((thrown: unknown) => thrown);
        expect(error, words.join(" ")).to.be.instanceOf(UsageError);
      }
    });
  });

  it("what is done is in the audit before it is done: actor, action, target and why; and newest first when shown", async () => {
    const record = await begin();
    const id = processId(record);
    expect((await run(cancel, [id])).code, "not confirmed").to.equal(1);
    expect(audit.entries).to.deep.equal([]);
    await run(cancel, [id], { yes: true, why: "asked for twice" });
    await run(force, [id], { yes: true });
    expect(
      audit.entries.map(({ action, target, reason, result }) => [action, target, reason, result]),
    ).to.deep.equal([
      ["process.cancel", id, "asked for twice", "cancelled"],
      ["process.rerun", id, "", "started"],
    ]);
    expect(audit.entries[0]!.actor).to.equal(userInfo().username);
    const shown = await run(printAudit, []);
    expect(shown.out.split("\n").map((line) => /cancelled|started/.exec(line)?.[0] ?? null)).to.deep.equal([
      null,
      "started",
      "cancelled",
    ]);
    await run(printAudit, [], { cursor: "newest" }).then(
      () => expect.fail("a cursor that is none was taken"),
      (error: Error) => expect(error.message).to.equal("the cursor cannot be read"),
    );
  });

  it("nothing is done while the audit cannot be written", async () => {
    const record = await begin();
    audit.fault = new Error("away");
    const refused = await run(cancel, [processId(record)], { yes: true }).catch(
      (error: Error) => error.message,
    );
    expect(refused).to.match(/nothing was done/);
    const { record: now } = await operator.processes.read(record, { withResult: false });
    expect(now?.status).to.equal(record.status);
  });
});
