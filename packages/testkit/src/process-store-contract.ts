/**
 * Contract of every process store. It imports no store: the caller opens one.
 * Written from the port (core/process/store.ts).
 */
import { asScope, type Scope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { randomBytes } from "node:crypto";
import {
  InvalidCursor,
  maxEarlyBytes,
  type AttemptRef,
  type Change,
  type Changes,
  type Draft,
  type EarlyReport,
  type Lease,
  type ProcessRecord,
  type ProcessRef,
  type ProcessStore,
  type StoredRequest,
} from "@sticky-proxy/core/process";
import type { StoredResponse } from "@sticky-proxy/core/http";

export interface ContractStore {
  readonly store: ProcessStore;
  readonly changes: Changes;
  /** Lets the store's clock advance by at least `ms`. The store has at least 8 partitions. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

const leaseMs = 60_000;

export function processStoreContract(title: string, open: () => Promise<ContractStore>): void {
  describe(`process store contract: ${title}`, () => {
    let opened: ContractStore;
    let store: ProcessStore;
    before(async () => {
      opened = await open();
      store = opened.store;
    });
    after(() => opened.close());

    async function created(draft: Draft = draftOf()): Promise<ProcessRecord> {
      const answer = await store.create(draft, { withResult: false });
      if (answer.kind !== "created") throw new Error(`expected a new process, got ${answer.kind}`);
      return answer.record;
    }
    async function committed(base: ProcessRecord, change: Change): Promise<ProcessRecord> {
      const answer = await store.commit(base, change, { ifDue: false, writeId: newId() });
      if (answer.kind !== "committed") throw new Error(`expected a commit, got ${answer.kind}`);
      expect(await readById(answer.record), "what a commit answers is what stands").to.deep.equal(
        answer.record,
      );
      return answer.record;
    }
    async function readById(record: ProcessRecord): Promise<ProcessRecord | null> {
      return (await store.read(record, { withResult: false })).record;
    }
    function refOf({ partition, scope, epoch }: ProcessRecord): ProcessRef {
      return { partition, scope, epoch };
    }
    async function claimed(record: ProcessRecord, hideMs = 60_000): Promise<boolean> {
      const { due } = await store.claimDue({ limit: 1000, hideMs });
      return due.some(({ scope, epoch }) => scope === record.scope && epoch === record.epoch);
    }

    describe("create", () => {
      it("makes version 1 with epoch = fence, the store's own times, and everything that the draft says", async () => {
        const draft = draftOf({ fields: { operation: "POST /übersicht", attempt: 1 } });
        const answer = await store.create(draft, { withResult: false });
        expect(answer.kind).to.equal("created");
        const { record, now } = answer as { record: ProcessRecord; now: number };
        expect(record).to.deep.include({
          partition: draft.partition,
          scope: draft.scope,
          version: 1,
          lastWrite: draft.writeId,
          principal: "t",
          operation: "POST /übersicht",
          status: "in-progress",
          phase: "forwarding",
          owner: "node-a",
          attempt: 1,
          cancelRequested: false,
          endedAt: null,
          createdAt: now,
          updatedAt: now,
          wakeAt: now + leaseMs,
          startedAt: now,
        });
        expect(record.epoch).to.be.a("number").and.equal(record.fence);
        expect(await readById(record)).to.deep.equal(record);
      });

      it("50 concurrent creates of one scope create one process, and all return it", async () => {
        const at = place();
        const answers = await Promise.all(
          Array.from({ length: 50 }, () => store.create(draftOf({ at }), { withResult: true })),
        );
        expect(answers.filter(({ kind }) => kind === "created")).to.have.length(1);
        expect(answers.filter(({ kind }) => kind === "exists")).to.have.length(49);
        const epochs = new Set(answers.map((answer) => (answer as { record: ProcessRecord }).record.epoch));
        expect(epochs.size).to.equal(1);
      });

      it("a create returns an existing record, with its result only on request", async () => {
        const draft = draftOf();
        const result = responseOf("done");
        await committed(await created(draft), endOf(result));
        const withResult = await store.create(draftOf({ at: draft }), { withResult: true });
        expect(withResult.kind).to.equal("exists");
        expectResponse((withResult as { result: StoredResponse | null }).result, result);
        const without = await store.create(draftOf({ at: draft }), { withResult: false });
        expect((without as { result: StoredResponse | null }).result).to.equal(null);
      });

      it("fences rise from process to process in a partition", async () => {
        let last = 0;
        for (let i = 0; i < 20; i += 1) {
          const { epoch } = await created(draftOf({ at: { ...place(), partition: 3 } }));
          expect(epoch).to.be.greaterThan(last);
          last = epoch;
        }
      });

      it("stores the request bytes unchanged, and returns them only for their own record", async () => {
        const request: StoredRequest = {
          head: { method: "POST", path: "/a", query: null, headers: [["X-A", "caf\u00e9"]] },
          key: "k-1",
          body: randomBytes(5000),
        };
        const record = await created(draftOf({ request }));
        const kept = await store.readRequest(record);
        expect(kept?.head).to.deep.equal(request.head);
        expect(kept?.key).to.equal("k-1");
        expect(Buffer.from(kept!.body).equals(Buffer.from(request.body))).to.equal(true);
        expect(await store.readRequest(await created())).to.equal(null);
      });

      it("returns a request stored without credentials only to a caller that accepts that", async () => {
        const head = { method: "POST", path: "/", query: null, headers: [] };
        const request = { head, key: null, body: new Uint8Array(0), lacksCredentials: true } as const;
        const record = await created(draftOf({ request }));
        expect(await store.readRequest(record)).to.equal(null);
        expect(await store.readRequest(record, { mayLackCredentials: false })).to.equal(null);
        const kept = await store.readRequest(record, { mayLackCredentials: true });
        expect(kept).to.deep.include({ head, lacksCredentials: true });
      });
    });

    describe("commit", () => {
      it("a commit raises the version, keeps fields that it does not name, removes those set to null", async () => {
        const record = await created();
        const next = await committed(
          record,
          changeOf({ phase: "awaiting-callback", owner: null, jobId: "j" }),
        );
        expect(next).to.deep.include({ version: 2, phase: "awaiting-callback", owner: null, jobId: "j" });
        expect(next.operation).to.equal(record.operation);
        expect(next.fence).to.equal(record.fence);
        expect(next.wakeAt).to.equal(record.wakeAt);
        const last = await committed(next, changeOf({ jobId: null, cancelRequested: true }));
        expect(last).to.deep.include({ version: 3, jobId: null, cancelRequested: true });
        const off = await committed(last, changeOf({ cancelRequested: false, attempt: 0 }));
        expect(off).to.deep.include({ cancelRequested: false, attempt: 0 });
        expect(await readById(off)).to.deep.equal(off);
      });

      it("P2: of commits on the same version exactly one succeeds, the others return the current record", async () => {
        const record = await created();
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, i) =>
            store.commit(record, changeOf({ reason: `r${i}` }), { ifDue: false, writeId: newId() }),
          ),
        );
        const taken = answers.filter(({ kind }) => kind === "committed");
        expect(taken).to.have.length(1);
        for (const answer of answers) {
          expect(answer.record?.version).to.equal(2);
          expect(answer.record?.reason).to.equal(taken[0]!.record!.reason);
        }
      });

      it("a callback that races an alarm leaves one result", async () => {
        const record = await committed(await created(), changeOf({ owner: null }, { wakeAt: 0 }));
        const callback = endOf(responseOf("from the service"));
        const alarm = changeOf({ status: "failed", phase: null, problem: "upstream-timeout" });
        const [first, second] = await Promise.all([
          store.commit(record, callback, { ifDue: false, writeId: newId() }),
          store.commit(record, alarm, { ifDue: true, writeId: newId() }),
        ]);
        expect([first.kind, second.kind].sort()).to.deep.equal(["committed", "stale"]);
        const { record: stands } = await store.read(record, { withResult: false });
        expect(stands?.status).to.equal(first.kind === "committed" ? "completed" : "failed");
      });

      it("mints a higher fence for each dispatch", async () => {
        let record = await created();
        for (let attempt = 2; attempt <= 5; attempt += 1) {
          const next = await committed(record, { ...changeOf({ attempt }), mintFence: true });
          expect(next.fence).to.be.greaterThan(record.fence);
          expect(next.epoch).to.equal(record.epoch);
          record = next;
        }
        const next = await created(draftOf({ at: { ...place(), partition: record.partition } }));
        expect(next.epoch).to.be.greaterThan(record.fence);
      });

      it("a commit with onlyIfDue is refused while the alarm is in the future, or there is none", async () => {
        const record = await created();
        const early = await store.commit(record, changeOf({ reason: "x" }), {
          ifDue: true,
          writeId: newId(),
        });
        expect(early.kind).to.equal("not-due");
        expect(early.record).to.deep.equal(record);
        const silent = await committed(record, changeOf({}, { wakeAt: null }));
        expect(silent.wakeAt).to.equal(null);
        const never = await store.commit(silent, changeOf({}), { ifDue: true, writeId: newId() });
        expect(never.kind).to.equal("not-due");
        const rung = await committed(silent, changeOf({}, { wakeAt: 0 }));
        const due = await store.commit(rung, changeOf({}), { ifDue: true, writeId: newId() });
        expect(due.kind).to.equal("committed");
      });

      it("stores the result's status, header lines and bytes, and drops payloads on request", async () => {
        const request = requestOf("again");
        const record = await created(draftOf({ request }));
        const result = {
          status: 201,
          headers: [
            ["A", "1"],
            ["a", "\u00ff"],
          ],
          body: randomBytes(3000),
        } as const;
        const ended = await committed(record, endOf(result));
        const snapshot = await store.read(ended, { withResult: true });
        expectResponse(snapshot.result, result);
        expect((await store.read(ended, { withResult: false })).result).to.equal(null);
        const dropped = await committed(ended, {
          ...changeOf({ resultPayload: null, requestPayload: null, expired: true }),
          drop: ["result", "request"],
        });
        expect((await store.read(dropped, { withResult: true })).result).to.equal(null);
        expect(await store.readRequest(record)).to.equal(null);
      });

      it("an empty body is a result too", async () => {
        const ended = await committed(
          await created(),
          endOf({ status: 204, headers: [], body: new Uint8Array() }),
        );
        const { result } = await store.read(ended, { withResult: true });
        expect(result?.status).to.equal(204);
        expect(result?.body).to.have.length(0);
      });

      it("refuses a commit for a process that was removed", async () => {
        const record = await created();
        expect(await store.purge(record)).to.equal(true);
        const answer = await store.commit(record, changeOf({}), { ifDue: false, writeId: newId() });
        expect(answer.kind).to.equal("stale");
        expect(answer.record).to.equal(null);
      });
    });

    describe("supersede", () => {
      it("supersede creates the next process and keeps the closed one under its id, with its payloads", async () => {
        const first = await committed(
          await created(draftOf({ request: requestOf("first") })),
          endOf(responseOf("first")),
        );
        const draft = draftOf({ at: first, request: requestOf("second"), fields: { rerunOf: first.epoch } });
        const answer = await store.supersede(first, changeOf({}), draft);
        expect(answer.kind).to.equal("committed");
        const second = answer.record!;
        expect(second.epoch).to.be.greaterThan(first.epoch);
        expect(second).to.deep.include({ version: 1, rerunOf: first.epoch, supersededBy: null });

        const current = await store.read({ ...first, epoch: null }, { withResult: true });
        expect(current.record).to.deep.equal(second);
        expect(current.result).to.equal(null);
        const old = await store.read(first, { withResult: true });
        expect(old.record).to.deep.include({
          epoch: first.epoch,
          version: first.version + 1,
          status: "completed",
          supersededBy: second.epoch,
          wakeAt: first.wakeAt,
        });
        expectResponse(old.result, responseOf("first"));
        expect(text((await store.readRequest(old.record!))?.body)).to.equal("first");
        expect(text((await store.readRequest(second))?.body)).to.equal("second");
      });

      it("P2: a commit for the superseded process does not reach its successor", async () => {
        const first = await created();
        const closing = changeOf({ status: "cancelled", phase: null, owner: null }, { wakeAt: 1000 });
        const { record: second } = await store.supersede(first, closing, draftOf({ at: first }));
        const late = await store.commit(first, endOf(responseOf("late")), { ifDue: false, writeId: newId() });
        expect(late.kind).to.equal("stale");
        expect(late.record).to.deep.include({ epoch: first.epoch, status: "cancelled" });
        expect(await store.renew([leaseOf(first)])).to.have.length(1);
        expect(await store.purge(first)).to.equal(false);
        expect(await readById(second!)).to.deep.equal(second);
      });

      it("of two concurrent supersedes of a process one succeeds", async () => {
        const first = await created();
        const answers = await Promise.all(
          [1, 2].map(() => store.supersede(first, changeOf({}), draftOf({ at: first }))),
        );
        expect(answers.map(({ kind }) => kind).sort()).to.deep.equal(["committed", "stale"]);
      });

      it("a superseded process can still be committed, has its alarm, and is purged alone", async () => {
        const first = await created();
        const { record: second } = await store.supersede(
          first,
          changeOf({ status: "cancelled", phase: null, owner: null }, { wakeAt: 0 }),
          draftOf({ at: first }),
        );
        const old = (await readById(first))!;
        expect(await claimed(old)).to.equal(true);
        const noted = await committed(old, changeOf({ mirror: "done" }, { wakeAt: 10 }));
        expect(noted.mirror).to.equal("done");
        expect(await readById(second!)).to.deep.equal(second);
        expect(await store.purge(noted)).to.equal(true);
        expect(await readById(first)).to.equal(null);
        expect(await readById(second!)).to.deep.equal(second);
      });
    });

    describe("leases and alarms", () => {
      it("a renewal changes the lease's end only: same version, no notice", async () => {
        const record = await created(draftOf({ spans: { wakeAt: 5 } }));
        await opened.pass(10);
        expect(await store.renew([leaseOf(record)])).to.deep.equal([]);
        const renewed = (await readById(record))!;
        expect(renewed.version).to.equal(record.version);
        expect(renewed.wakeAt!).to.be.greaterThan(record.wakeAt! + leaseMs / 2);
        expect({ ...renewed, wakeAt: 0 }).to.deep.equal({ ...record, wakeAt: 0 });
        const taken = await store.commit(renewed, changeOf({}), { ifDue: true, writeId: newId() });
        expect(taken.kind, "a lease renewed in between wins over a take-over").to.equal("not-due");
        const own = await store.commit(record, endOf(responseOf("x")), { ifDue: false, writeId: newId() });
        expect(own.kind, "renewing never makes the owner's own commit stale").to.equal("committed");
      });

      it("a commit that does not change the alarm returns the renewed alarm", async () => {
        const record = await created(draftOf({ spans: { wakeAt: 5 } }));
        expect(await store.renew([leaseOf(record)])).to.deep.equal([]);
        const next = await committed(record, changeOf({ progressPercent: 5 }));
        expect(next.wakeAt!).to.be.greaterThan(record.wakeAt! + leaseMs / 2);
      });

      it("a batch renewal reports as lost what was taken over, ended, removed or is another owner's", async () => {
        const kept = await Promise.all([created(), created(), created()]);
        const takenOver = await created();
        await committed(takenOver, changeOf({ owner: "node-b" }));
        const ended = await created();
        await committed(ended, endOf(responseOf("x")));
        const gone = await created();
        await store.purge(gone);
        const leases = [kept[0]!, takenOver, kept[1]!, ended, gone, kept[2]!].map(leaseOf);
        const lost = await store.renew(leases);
        expect(lost.map(({ scope }) => scope).sort()).to.deep.equal(
          [takenOver, ended, gone].map(({ scope }) => scope).sort(),
        );
        expect(await store.renew([])).to.deep.equal([]);
      });

      it("a due alarm is claimed once, hidden, and due again after the hiding time", async () => {
        const record = await created(draftOf({ spans: { wakeAt: 0 } }));
        const claims = await Promise.all([claimed(record), claimed(record), claimed(record)]);
        expect(claims.filter(Boolean)).to.have.length(1);
        expect(await claimed(record)).to.equal(false);
        const briefly = await created(draftOf({ spans: { wakeAt: 0 } }));
        expect(await claimed(briefly, 1)).to.equal(true);
        await opened.pass(60);
        expect(await claimed(briefly)).to.equal(true);
      });

      it("a claim returns nothing that is not due, was renewed, or has no alarm", async () => {
        const ahead = await created();
        const renewed = await created(draftOf({ spans: { wakeAt: 0 } }));
        await store.renew([leaseOf(renewed)]);
        const silent = await committed(await created(), changeOf({}, { wakeAt: null }));
        for (const record of [ahead, renewed, silent]) expect(await claimed(record)).to.equal(false);
      });

      it("a claimed alarm can be made to ring again at once, unless somebody changed or renewed the process", async () => {
        const left = await created(draftOf({ spans: { wakeAt: 0 } }));
        const moved = await created(draftOf({ spans: { wakeAt: 0 } }));
        const renewed = await created(draftOf({ spans: { wakeAt: 0 } }));
        await store.claimDue({ limit: 1000, hideMs: 60_000 });
        await committed(moved, changeOf({}, { wakeAt: 60_000 }));
        await store.renew([leaseOf(renewed)]);
        for (const record of [left, moved, renewed]) await store.ringAgain(record, 0);
        const { due } = await store.claimDue({ limit: 1000, hideMs: 60_000 });
        const scopes = due.map(({ scope }) => scope);
        expect(scopes).to.include(left.scope);
        expect(scopes).not.to.include.members([moved.scope]);
        expect(scopes).not.to.include.members([renewed.scope]);
      });

      it("hands out no more than asked for", async () => {
        for (let i = 0; i < 5; i += 1) await created(draftOf({ spans: { wakeAt: 0 } }));
        const { due } = await store.claimDue({ limit: 3, hideMs: 60_000 });
        expect(due).to.have.length(3);
        await store.claimDue({ limit: 1000, hideMs: 60_000 });
      });

      it("the earlier owner is refused after a take-over, and its lease is reported lost", async () => {
        const record = await created(draftOf({ spans: { wakeAt: 0 } }));
        const { due } = await store.claimDue({ limit: 1000, hideMs: 60_000 });
        const found = due.find(({ scope }) => scope === record.scope)!;
        const taken = await store.commit(
          found,
          changeOf({ status: "failed", phase: null, owner: null, executed: "unknown" }),
          { ifDue: true, writeId: newId() },
        );
        expect(taken.kind).to.equal("committed");
        const late = await store.commit(record, endOf(responseOf("late")), {
          ifDue: false,
          writeId: newId(),
        });
        expect(late.kind).to.equal("stale");
        expect(late.record?.executed).to.equal("unknown");
        expect(await store.renew([leaseOf(record)])).to.have.length(1);
      });
    });

    describe("purge", () => {
      it("a purge removes record, payloads, list entries and alarm", async () => {
        const service = `svc-${newId()}`;
        const base = await created(draftOf({ request: requestOf("r"), fields: { service } }));
        const ended = await committed(base, endOf(responseOf("x"), { wakeAt: 0 }));
        const dead = await committed(ended, changeOf({ deadLetter: "upstream" }));
        expect(await store.purge(ended), "an old version purges nothing").to.equal(false);
        expect(await store.purge(dead)).to.equal(true);
        expect(await store.read(dead, { withResult: true })).to.deep.include({ record: null, result: null });
        expect(await store.readRequest(dead)).to.equal(null);
        expect(await claimed(dead)).to.equal(false);
        expect(Object.values(await store.count(service)).every((n) => n === 0)).to.equal(true);
        expect(
          (await store.deadLetters({ limit: 1000, cursor: null })).items.some((r) => r.scope === dead.scope),
        ).to.equal(false);
        const again = await created(draftOf({ at: base }));
        expect(again.epoch).to.be.greaterThan(base.epoch);
      });
    });

    describe("lists", () => {
      it("a cursor that did not come from a page before is refused, not read as the first page", async () => {
        const query = { service: "s", status: "failed" as const, olderThanMs: null, limit: 1 };
        for (const cursor of ["x", "-1.", "", "first"]) {
          for (const read of [
            () => store.list({ ...query, cursor }),
            () => store.deadLetters({ limit: 1, cursor }),
          ]) {
            const refused = await Promise.resolve()
              .then(read)
              .catch((error: unknown) => error);
            expect(refused, cursor).to.be.instanceOf(InvalidCursor);
          }
        }
      });

      it("a process stands in the list of its service and status, an expired one in none", async () => {
        const service = `svc-${newId()}`;
        const record = await created(draftOf({ fields: { service } }));
        expect(await store.count(service)).to.deep.equal(countOf({ "in-progress": 1 }));
        const ended = await committed(record, endOf(responseOf("x")));
        expect(await store.count(service)).to.deep.equal(countOf({ completed: 1 }));
        await store.supersede(ended, changeOf({}), draftOf({ at: record, fields: { service } }));
        expect(await store.count(service)).to.deep.equal(countOf({ completed: 1, "in-progress": 1 }));
        const old = (await readById(record))!;
        await committed(old, changeOf({ expired: true }));
        expect(await store.count(service)).to.deep.equal(countOf({ "in-progress": 1 }));
      });

      it("the oldest process of a status is found by its time of creation", async () => {
        const service = `svc-${newId()}`;
        expect(await store.oldestAt(service, "in-progress")).to.equal(null);
        const first = await created(draftOf({ fields: { service } }));
        const second = await created(draftOf({ fields: { service } }));
        // A fence may be ahead of the time of creation when the clock was set back.
        expect(await store.oldestAt(service, "in-progress")).to.equal(Math.floor(first.epoch / 1000));
        expect(first.epoch / 1000).to.be.closeTo(first.createdAt, 5000);
        await committed(first, endOf(responseOf("x")));
        expect(await store.oldestAt(service, "in-progress")).to.equal(Math.floor(second.epoch / 1000));
        expect(await store.oldestAt(service, "completed")).to.equal(Math.floor(first.epoch / 1000));
      });

      it("pages are newest first and contain each process once, also while others are created and end", async () => {
        const service = `svc-${newId()}`;
        const made: ProcessRecord[] = [];
        for (let i = 0; i < 7; i += 1) {
          made.push(await created(draftOf({ fields: { service } })));
          await opened.pass(1);
        }
        const query = { service, status: "in-progress" as const, olderThanMs: null, limit: 3 };
        const first = await store.list({ ...query, cursor: null });
        expect(first.items.map(({ epoch }) => epoch)).to.deep.equal(
          made
            .slice(4)
            .reverse()
            .map(({ epoch }) => epoch),
        );
        await created(draftOf({ fields: { service } }));
        await committed(made[3]!, endOf(responseOf("x")));
        const second = await store.list({ ...query, cursor: first.next });
        expect(second.items.map(({ epoch }) => epoch)).to.deep.equal(
          made
            .slice(0, 3)
            .reverse()
            .map(({ epoch }) => epoch),
        );
        expect(second.next).to.equal(null);
      });

      it("a list with a time limit contains older processes only", async () => {
        const service = `svc-${newId()}`;
        await created(draftOf({ fields: { service } }));
        const query = { service, status: "in-progress" as const, limit: 10, cursor: null };
        expect((await store.list({ ...query, olderThanMs: 3_600_000 })).items).to.have.length(0);
        await opened.pass(5);
        expect((await store.list({ ...query, olderThanMs: 1 })).items).to.have.length(1);
      });

      it("pages over services and statuses are newest first and contain each process once, also while some end", async () => {
        const services = [`svc-${newId()}`, `svc-${newId()}`];
        const made: ProcessRecord[] = [];
        for (let i = 0; i < 8; i += 1) {
          const record = await created(draftOf({ fields: { service: services[i % 2]! } }));
          made.push(i % 3 === 0 ? await committed(record, endOf(responseOf("x"))) : record);
          await opened.pass(2);
        }
        const statuses = ["in-progress", "completed"] as const;
        const query = { services, statuses, createdFrom: null, createdTo: null, limit: 3 };
        const epochs: number[] = [];
        let cursor: string | null = null;
        do {
          const page: Awaited<ReturnType<typeof store.listNewest>> = await store.listNewest({
            ...query,
            cursor,
          });
          epochs.push(...page.items.map(({ epoch }) => epoch));
          cursor = page.next;
          if (epochs.length === 3) await committed(made[1]!, endOf(responseOf("y")));
        } while (cursor !== null);
        expect(epochs).to.deep.equal(made.map(({ epoch }) => epoch).reverse());
        const within = { ...query, limit: 10, cursor: null };
        const [second, last] = [made[2]!.createdAt, made[5]!.createdAt];
        const some = await store.listNewest({ ...within, createdFrom: second, createdTo: last });
        expect(some.items.map(({ epoch }) => epoch)).to.deep.equal(
          made
            .filter(({ createdAt }) => createdAt >= second && createdAt <= last)
            .map(({ epoch }) => epoch)
            .reverse(),
        );
        const ended = await store.listNewest({ ...within, statuses: ["completed"] });
        expect(ended.items).to.have.length(4);
      });

      it("a dead letter is listed until it is redriven or dropped", async () => {
        const dead = await committed(await created(), changeOf({ status: "failed", deadLetter: "callback" }));
        const list = async (): Promise<boolean> =>
          (await store.deadLetters({ limit: 1000, cursor: null })).items.some((r) => r.scope === dead.scope);
        expect(await list()).to.equal(true);
        await committed(dead, changeOf({ deadLetter: null }));
        expect(await list()).to.equal(false);
      });

      it("a timeline lists a process's transitions in order, with notes", async () => {
        const record = await created();
        await store.note(record, { event: "late-result", from: "node-b" });
        // Every end but a plain answer says by its own line what became of the work.
        const entry = { event: "ended", executed: "yes" };
        await committed(record, { ...endOf(responseOf("x")), entry });
        const lines = await store.timeline(record);
        expect(lines.map(({ event }) => event)).to.deep.equal(["created", "late-result", "ended"]);
        expect(lines[1]).to.deep.include({ from: "node-b" });
        for (const { at } of lines) expect(Number(at)).to.be.at.least(record.createdAt);
      });

      it("a timeline counts what is told several times in a row, and ends with its process", async () => {
        const record = await created();
        for (let i = 0; i < 5; i += 1) await store.note(record, { event: "duplicate-report", report: "x" });
        await store.note(record, { event: "duplicate-report", report: "y" });
        const told = (await store.timeline(record)).map(({ event, count, report }) => [event, report, count]);
        expect(told).to.deep.equal([
          ["created", undefined, undefined],
          ["duplicate-report", "x", "5"],
          ["duplicate-report", "y", undefined],
        ]);
        await store.purge(record);
        await store.note(record, { event: "late-report" });
        expect(await store.timeline(record)).to.deep.equal([]);
      });

      it("a superseded process keeps its timeline, and its successor begins one", async () => {
        const record = await created();
        await store.note(record, { event: "late-result" });
        const { partition, scope } = record;
        const next = await store.supersede(
          record,
          { ...changeOf({ status: "cancelled" }), entry: { event: "superseded" } },
          draftOf({ at: { partition, scope } }),
        );
        const events = async (ref: ProcessRecord) => (await store.timeline(ref)).map(({ event }) => event);
        expect(await events(record)).to.deep.equal(["created", "late-result", "superseded"]);
        expect(await events(next.record!)).to.deep.equal(["created"]);
        await store.note(record, { event: "late-report" });
        expect(await events(record)).to.include("late-report");
      });

      it("a service's job id is held by whom it was given to, until the entry ends", async () => {
        const first: AttemptRef = { ...refOf(await created()), attempt: 2 };
        const second: AttemptRef = { ...refOf(await created()), attempt: 1 };
        const jobId = `job:${newId()}`;
        const hold = (holders: readonly AttemptRef[], held: readonly AttemptRef[], keepMs = 60_000) =>
          store.holdJob("svc", jobId, holders, held, keepMs);
        expect(await store.jobHolders("svc", jobId)).to.deep.equal([]);
        expect(await hold([first], [second])).to.equal(false);
        expect(await hold([first], [])).to.equal(true);
        expect(await hold([second], []), "it is held").to.equal(false);
        expect(await store.jobHolders("svc", jobId)).to.deep.equal([first]);
        expect(await hold([first, second], [first], 10), "a shorter time shortens nothing").to.equal(true);
        await opened.pass(20);
        expect(await store.jobHolders("svc", jobId)).to.deep.equal([first, second]);
        expect(await store.jobHolders("other", jobId)).to.deep.equal([]);
        expect(await store.holdJob("svc", `${jobId}-short`, [first], [], 10)).to.equal(true);
        await opened.pass(20);
        expect(await store.jobHolders("svc", `${jobId}-short`)).to.deep.equal([]);
      });

      it("a message's id is bound to its first use until the entry ends", async () => {
        const id = newId();
        const use = (what: string, service = "svc") => store.useMessage(service, id, what, 60_000);
        expect(await use("complete")).to.equal("first");
        expect(await use("complete")).to.equal("again");
        expect(await use("fail")).to.equal("otherwise");
        expect(await use("fail", "other"), "another service's message").to.equal("first");
        expect(await store.useMessage("svc", `${id}-short`, "complete", 10)).to.equal("first");
        await opened.pass(20);
        expect(await store.useMessage("svc", `${id}-short`, "fail", 10)).to.equal("first");
      });

      it("remembers a process under a name, the latest one, until the entry ends", async () => {
        const [first, second] = [refOf(await created()), refOf(await created())];
        const name = newId();
        expect(await store.remembered(name)).to.equal(null);
        await store.remember(name, first, 60_000);
        await store.remember(name, second, 10);
        expect(await store.remembered(name)).to.deep.equal(second);
        await opened.pass(20);
        expect(await store.remembered(name)).to.equal(null);
      });

      it("an early report is handed out once, as it was kept, and not after its time; large ones are not kept", async () => {
        const report = (body: Uint8Array): EarlyReport => ({
          type: "called-back",
          status: 201,
          result: { id: "r", response: { status: 201, headers: [["A", "b"]], body } },
          message: null,
        });
        const jobId = `job:${newId()}`;
        const kept = report(Buffer.from([0, 255, 10]));
        expect(await store.takeEarly("svc", jobId)).to.equal(null);
        expect(await store.keepEarly("svc", jobId, kept, 60_000)).to.equal(true);
        expect(await store.takeEarly("other", jobId)).to.equal(null);
        expect(await store.takeEarly("svc", jobId)).to.deep.equal(kept);
        expect(await store.takeEarly("svc", jobId)).to.equal(null);
        expect(await store.keepEarly("svc", jobId, kept, 10)).to.equal(true);
        await opened.pass(20);
        expect(await store.takeEarly("svc", jobId)).to.equal(null);
        const large = report(Buffer.alloc(maxEarlyBytes + 1));
        expect(await store.keepEarly("svc", jobId, large, 60_000)).to.equal(false);
      });
    });

    describe("changes", () => {
      it("commit, supersede and purge notify the watchers of the scope, and no others", async () => {
        const record = await created();
        const other = await created();
        const watched = watch(opened.changes, record);
        const unwatched = watch(opened.changes, other);
        await watched.settled();
        await unwatched.settled();
        const before = unwatched.count();
        const second = await committed(record, changeOf({ reason: "x" }));
        await watched.next();
        const { record: third } = await store.supersede(second, changeOf({}), draftOf({ at: record }));
        await watched.next();
        await store.purge(third!);
        await watched.next();
        expect(unwatched.count()).to.equal(before);
        watched.close();
        unwatched.close();
      });
    });

    /** Counts notices; `settled` resolves when the notices of the subscription itself have arrived. */
    function watch(changes: Changes, record: ProcessRecord) {
      let count = 0;
      let seen = 0;
      let wake: (() => void) | null = null;
      const watching = changes.watch(record, () => {
        count += 1;
        wake?.();
      });
      return {
        count: () => count,
        close: () => watching.close(),
        async settled() {
          await opened.pass(50);
          seen = count;
        },
        async next() {
          if (count === seen) {
            const { promise, resolve } = Promise.withResolvers<void>();
            wake = resolve;
            await promise;
          }
          seen = count;
        },
      };
    }
  });
}

interface Place {
  readonly partition: number;
  readonly scope: Scope;
}

function newId(): string {
  return randomBytes(16).toString("base64url");
}

function place(): Place {
  const scope = asScope(newId());
  return { partition: scope.charCodeAt(0) % 8, scope };
}

function draftOf(
  given: {
    at?: Place;
    fields?: Draft["fields"];
    spans?: Draft["spans"];
    request?: StoredRequest;
  } = {},
): Draft {
  const { partition, scope } = given.at ?? place();
  const writeId = newId();
  return {
    partition,
    scope,
    fields: {
      principal: "t",
      service: "svc",
      route: "POST /",
      operation: "POST /x",
      identity: "key",
      fingerprint: "fp",
      credential: "",
      status: "in-progress",
      phase: "forwarding",
      owner: "node-a",
      leaseMs,
      attempt: 1,
      maxAttempts: 3,
      cancelRequested: false,
      requestPayload: given.request === undefined ? null : writeId,
      ...given.fields,
    },
    spans: { startedAt: 0, wakeAt: leaseMs, ...given.spans },
    request: given.request ?? null,
    writeId,
  };
}

function changeOf(set: Change["set"], spans: Change["spans"] = {}): Change {
  return { set, spans, mintFence: false, result: null, drop: [], entry: { event: "changed" } };
}

function endOf(result: StoredResponse, spans: Change["spans"] = {}): Change {
  return {
    set: {
      status: "completed",
      phase: null,
      owner: null,
      executed: "yes",
      httpStatus: result.status,
      resultPayload: newId(),
    },
    spans: { endedAt: 0, expireAt: 60_000, wakeAt: 60_000, keepUntil: 120_000, ...spans },
    mintFence: false,
    result,
    drop: [],
    entry: { event: "ended" },
  };
}

function leaseOf(record: ProcessRecord): Lease {
  const { partition, scope, epoch, service } = record;
  return { partition, scope, epoch, service, owner: "node-a", leaseMs };
}

function requestOf(body: string): StoredRequest {
  return {
    head: { method: "POST", path: "/x", query: "a=1", headers: [] },
    key: null,
    body: Buffer.from(body),
  };
}

function responseOf(body: string): StoredResponse {
  return { status: 200, headers: [["Content-Type", "text/plain"]], body: Buffer.from(body) };
}

function text(body: Uint8Array | undefined): string {
  return Buffer.from(body ?? []).toString();
}

function countOf(some: Partial<Record<ProcessRecord["status"], number>>): Record<string, number> {
  return { pending: 0, "in-progress": 0, completed: 0, failed: 0, cancelled: 0, ...some };
}

function expectResponse(actual: StoredResponse | null, wanted: StoredResponse): void {
  expect(actual).to.not.equal(null);
  expect(actual!.status).to.equal(wanted.status);
  expect(actual!.headers).to.deep.equal(wanted.headers);
  expect(Buffer.from(actual!.body).equals(Buffer.from(wanted.body))).to.equal(true);
}
