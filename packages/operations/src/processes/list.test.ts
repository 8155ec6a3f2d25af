import { asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import fc from "fast-check";
import { listProcesses, statusesInOrder, type ListingQuery } from "./list.ts";
import { createTestWorld, type MemoryStore } from "@sticky-proxy/core/testing";
import type { ProcessRecord, Status, Change } from "@sticky-proxy/core/process";

const all: ListingQuery = { services: ["a", "b"], statuses: [], olderThanMs: null, limit: 3, cursor: null };

function world() {
  const { clock, store, newId } = createTestWorld({ partitions: 4 });
  let count = 0;
  return {
    store,
    advance: clock.advance,
    async create(service: string): Promise<ProcessRecord> {
      clock.advance(1);
      count += 1;
      const answer = await store.create(
        {
          partition: count % 4,
          scope: asScope(`s${count}`),
          fields: { service, status: "pending" },
          spans: {},
          request: null,
          writeId: newId(),
        },
        { withResult: false },
      );
      if (answer.kind !== "created") throw new Error(answer.kind);
      return answer.record;
    },
    /** The next status of a process's life; a finished one expires. */
    async move(record: ProcessRecord, end: Status): Promise<void> {
      const set: Change["set"] =
        record.status === "pending"
          ? { status: "in-progress" }
          : record.status === "in-progress"
            ? { status: end }
            : { expired: true };
      const change: Change = {
        set,
        spans: {},
        mintFence: false,
        result: null,
        drop: [],
        entry: { event: "moved" },
      };
      await store.commit(record, change, { ifDue: false, writeId: newId() });
    },
  };
}

async function pageOf(store: MemoryStore, query: ListingQuery) {
  const listed = await listProcesses(store, query);
  if (listed.kind !== "page") throw new Error(listed.reason);
  return listed;
}

async function everyPage(store: MemoryStore, query: ListingQuery): Promise<ProcessRecord[]> {
  const items: ProcessRecord[] = [];
  for (let cursor: string | null = null; ;) {
    const page = await pageOf(store, { ...query, cursor });
    expect(page.items.length).to.be.at.most(query.limit);
    items.push(...page.items);
    if (page.next === null) return items;
    cursor = page.next;
  }
}

describe("listing processes", () => {
  it("processes are listed by status and service, newest first within each", async () => {
    const w = world();
    const records = [];
    for (const service of ["a", "b", "a", "b", "a", "c"]) records.push(await w.create(service));
    await w.move(records[0]!, "failed");
    const found = await everyPage(w.store, { ...all, limit: 2 });
    expect(found.map(({ scope, status }) => `${scope} ${status}`)).to.deep.equal([
      "s5 pending",
      "s3 pending",
      "s4 pending",
      "s2 pending",
      "s1 in-progress",
    ]);
  });

  it("a listing has only the statuses and ages that the query names", async () => {
    const w = world();
    const old = await w.create("a");
    await w.move(old, "failed");
    w.advance(60_000);
    await w.create("a");
    const aged = await everyPage(w.store, { ...all, olderThanMs: 60_000 });
    expect(aged.map(({ scope }) => scope)).to.deep.equal(["s1"]);
    const pending = await everyPage(w.store, { ...all, statuses: ["pending"] });
    expect(pending.map(({ scope }) => scope)).not.to.include("s1");
    expect(pending).to.have.length(1);
  });

  it("a cursor that cannot be read or belongs to another query is refused", async () => {
    const w = world();
    await w.create("a");
    await w.create("a");
    const { next } = await pageOf(w.store, { ...all, limit: 1 });
    const refused = [
      { ...all, cursor: "nonsense" },
      { ...all, cursor: Buffer.from("[1]").toString("base64url") },
      { ...all, services: ["b"], cursor: next },
      { ...all, statuses: ["failed"] as const, cursor: next },
    ];
    for (const query of refused) {
      expect((await listProcesses(w.store, query)).kind).to.equal("invalid-cursor");
    }
  });

  it("a service added between two pages does not move the cursor", async () => {
    const w = world();
    for (let i = 0; i < 4; i += 1) await w.create("b");
    const first = await pageOf(w.store, { ...all, services: ["b"], limit: 2 });
    const rest = await pageOf(w.store, {
      ...all,
      services: ["a", "b"],
      limit: 10,
      cursor: first.next,
    });
    expect([...first.items, ...rest.items].map(({ scope }) => scope)).to.deep.equal(["s4", "s3", "s2", "s1"]);
  });

  it("a process that exists during the whole listing is listed, and none twice in one status, whatever happens between pages", async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("create" as const), service: fc.constantFrom("a", "b") }),
      fc.record({
        kind: fc.constant("move" as const),
        which: fc.nat(),
        end: fc.constantFrom<Status>("completed", "failed", "cancelled"),
      }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.array(fc.array(step, { maxLength: 4 }), { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 1, max: 6 }),
        async (before, between, limit) => {
          const w = world();
          const run = async (s: (typeof before)[number]): Promise<void> => {
            if (s.kind === "create") {
              await w.create(s.service);
              return;
            }
            const live = w.store.all().filter(({ expired }) => !expired);
            if (live.length > 0) await w.move(live[s.which % live.length]!, s.end);
          };
          for (const s of before) await run(s);
          const present = new Set(
            w.store
              .all()
              .filter(({ expired }) => !expired)
              .map(({ scope }) => scope),
          );
          const seen: string[] = [];
          let turn = 0;
          for (let cursor: string | null = null; ;) {
            const page = await pageOf(w.store, { ...all, limit, cursor });
            seen.push(...page.items.map(({ scope, status }) => `${scope} ${status}`));
            for (const s of between[turn % between.length]!) if (turn < between.length) await run(s);
            turn += 1;
            if (page.next === null) break;
            cursor = page.next;
          }
          expect(new Set(seen).size, "twice in one status").to.equal(seen.length);
          const listed = new Set(seen.map((line) => line.split(" ")[0]));
          const stayed = new Set(
            w.store
              .all()
              .filter(({ expired }) => !expired)
              .map(({ scope }) => scope),
          );
          for (const scope of present) if (stayed.has(scope)) expect(listed, scope).to.include(scope);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("statuses are listed in the order in which a process goes through them", () => {
    expect(statusesInOrder).to.deep.equal(["pending", "in-progress", "completed", "failed", "cancelled"]);
  });
});
