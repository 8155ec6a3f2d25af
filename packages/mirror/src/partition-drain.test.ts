import { type OutboxEntry, orderKeyPartition, pending, settled } from "@sticky-proxy/core/mirror";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import type { SecondaryOutcome } from "./secondary.ts";
import { expect } from "chai";
import fc from "fast-check";
import { down, ok, World } from "./testing.ts";

describe("the outbox drain", () => {
  let w: World;
  beforeEach(() => {
    w = new World();
  });

  it("sends completed requests in order per key, and releases their records", async () => {
    for (const path of ["/users/1", "/users/2", "/users/1", "/users/1"]) await w.call(path);
    await w.own();
    await w.turn();
    expect(w.paths.filter((path) => path === "/users/1")).to.have.length(3);
    const fences = w.sent.filter(({ path }) => path === "/users/1").map(({ fence }) => Number(fence));
    expect(fences).to.deep.equal(fences.toSorted((a, b) => a - b));
    expect(w.store.all().every((record) => record.mirror === "done" && record.keepUntil !== null)).to.equal(
      true,
    );
    expect(await w.coverage()).to.include({ eligible: 4, matched: 4 });
    expect((await w.mirror.lag()).size).to.equal(0);
  });

  it("looks where copies go after it has read them, and sends none without having looked", async () => {
    await w.own();
    await w.turn();
    await w.call("/users/1");
    w.isStoreAway = true;
    const refused = await w.drain!.tick().catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(StoreUnavailable);
    await w.drain!.idle();
    expect(w.sent).to.deep.equal([]);
    w.isStoreAway = false;
    w.copiesTo.now = "users-v1";
    await w.turn();
    expect(w.sent.map(({ to }) => to)).to.deep.equal(["users-v1"]);
  });

  it("sends the process id as Idempotency-Key, so that the secondary recognises a repeat", async () => {
    await w.call("/users/1");
    await w.own();
    await w.turn();
    expect(w.sent[0]!.key).to.match(/^0\.scope0\./);
  });

  it("waits for a running process, and delays only its key", async () => {
    const running = await w.begin("/users/1");
    await w.call("/users/1");
    await w.call("/users/2");
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/2"]);
    await w.end(running);
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/2", "/users/1", "/users/1"]);
  });

  it("skips 4xx and requests that never ran, with the reason", async () => {
    await w.call("/users/1", 422);
    const refused = await w.begin("/users/2");
    await w.processes.apply(refused, {
      type: "failed",
      attempt: 1,
      executed: "no",
      unknown: "cut",
      slug: "upstream-unreachable",
      reason: "connection_refused",
      retryAfterMs: null,
    });
    await w.own();
    await w.turn();
    expect(w.sent).to.deep.equal([]);
    const { skipped } = await w.coverage();
    expect(skipped.get("not-applicable")).to.equal(1);
    expect(skipped.get("never-executed")).to.equal(1);
  });

  it("a write whose condition failed at the primary is not copied, a part of an answer is not compared", async () => {
    w.changes = { mirror4xx: true };
    await w.call("/users/1", 412);
    await w.call("/users/2", 206);
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/2"]);
    const { skipped, different } = await w.coverage();
    expect(different).to.equal(0);
    expect(skipped.get("not-applicable")).to.equal(1);
    expect(skipped.get("conditional")).to.equal(1);
  });

  it("after a 5xx of the primary the copy is recorded as unknown, the key as diverged, and later ones are sent", async () => {
    await w.call("/users/1", 500);
    await w.call("/users/1");
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/1"]);
    const { items } = await w.mirror.list({
      service: null,
      route: null,
      class: "primary-unknown",
      path: null,
      since: null,
      open: true,
      limit: 9,
      cursor: null,
    });
    expect(items[0]!.sides.primary.status).to.equal(500);
    expect((await w.mirror.keyState(0, items[0]!.orderKey)).diverged).to.equal(true);
  });

  it("a difference is stored with both responses; calls that overlapped at the primary are a race", async () => {
    w.answer = ok('{"a":2}');
    await w.call("/users/1");
    await w.own();
    await w.turn();
    const first = await w.begin("/users/2");
    w.pass(5);
    const second = await w.begin("/users/2");
    w.pass(5);
    await w.end(first);
    await w.end(second);
    await w.turn();
    expect(await w.coverage()).to.include({ eligible: 3, different: 1, race: 2 });
    const groups = await w.mirror.groups({ since: null });
    expect(groups.map(({ class: kind, path, count }) => `${kind} ${path} ${count}`)).to.have.members([
      "body /a 1",
      "race /a 2",
    ]);
  });

  it("sequential calls are not a race, however late they are drained", async () => {
    w.answer = ok('{"a":2}');
    for (let i = 0; i < 5; i++) await w.call("/users/1");
    await w.own();
    await w.turn();
    expect(await w.coverage()).to.include({ eligible: 5, different: 5, race: 0 });
  });

  it("an intent that was settled before its owner died is not sent again", async () => {
    await w.call("/users/1");
    const [entry] = (await w.mirror.peek(0, { after: null, limit: 1 })).entries as [OutboxEntry];
    const dead = await w.mirror.claim(0);
    await w.mirror.settle(0, dead, entry, {
      outcome: "matched",
      difference: null,
      diverged: false,
      endedAt: null,
      limits: { ttlMs: 1, maxDifferences: 1 },
    });
    await w.own();
    await w.turn();
    expect(w.sent).to.deep.equal([]);
    expect(await w.coverage()).to.include({ eligible: 1, matched: 1 });
    expect(w.store.all()[0]!.mirror).to.equal("done");
    expect((await w.mirror.lag()).size).to.equal(0);
  });

  it("O3: a drain that lost its partition settles nothing and reports the loss", async () => {
    await w.call("/users/1");
    const late = await w.own();
    await w.own();
    await w.turn(late);
    expect(late.isLost).to.equal(true);
    expect(pending(await w.coverage())).to.equal(1);
    await w.turn();
    expect(await w.coverage()).to.include({ eligible: 1, matched: 1 });
  });

  it("stop aborts a running send without counting a failure of the key", async () => {
    const stop = new AbortController();
    w.answer = (request) =>
      new Promise((resolve) => {
        request.signal.addEventListener("abort", () =>
          resolve({ ...(down(request) as SecondaryOutcome & { kind: "failed" }), aborted: true }),
        );
        queueMicrotask(() => stop.abort());
      });
    await w.call("/users/1");
    const drain = await w.own(stop.signal);
    await w.turn(drain);
    expect(pending(await w.coverage())).to.equal(1);
    expect(await w.mirror.parkedKeys({ limit: 9 })).to.deep.equal([]);
  });

  it("the coverage sum holds and every write arrives in order, whatever fails and whenever an owner dies", async () => {
    const step = fc.constantFrom("call", "call4xx", "call5xx", "turn", "turn", "die", "wait", "down", "up");
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: 0, max: 99 })),
        fc.integer({ min: 1, max: 3 }),
        async (steps, dice, keys) => {
          const world = new World();
          let calls = 0;
          const completed = new Map<string, number>();
          world.fault = () => dice.next().value! < 4;
          await world.own();
          const check = async (): Promise<void> => {
            for (const { coverage } of await world.mirror.coverage({ since: null, service: null })) {
              expect(coverage.eligible).to.equal(calls);
              expect(coverage.eligible).to.equal(settled(coverage) + pending(coverage));
              expect(pending(coverage)).to.be.at.least(0);
            }
          };
          for (const [i, name] of steps.entries()) {
            const path = `/users/${i % keys}`;
            if (name.startsWith("call")) {
              const status = name === "call" ? 200 : name === "call4xx" ? 404 : 500;
              await world.call(path, status);
              calls++;
              if (status === 200) completed.set(path, (completed.get(path) ?? 0) + 1);
            } else if (name === "turn") await world.turn().catch(() => undefined);
            else if (name === "die") await world.own();
            else if (name === "wait") world.pass(3000);
            else world.answer = name === "down" ? down : ok();
            await check();
          }
          world.fault = () => false;
          world.answer = ok();
          for (let i = 0; i < 30; i++) {
            world.pass(40_000);
            for (const { orderKey } of await world.mirror.parkedKeys({ limit: 99 })) {
              await world.mirror.unpark(orderKeyPartition(orderKey, 1), orderKey);
            }
            await world.turn();
          }
          await check();
          for (const [path, count] of completed) {
            const fences = world.sent.filter((one) => one.path === path).map(({ fence }) => Number(fence));
            // At least once, repeats only of the latest one, never out of order.
            expect(new Set(fences).size).to.equal(count);
            expect(fences).to.deep.equal(fences.toSorted((a, b) => a - b));
          }
          const [row] = await world.mirror.coverage({ since: null, service: null });
          if (row !== undefined) expect(pending(row.coverage)).to.equal(0);
          expect([...(await world.mirror.lag()).values()].every(({ entries }) => entries === 0)).to.equal(
            true,
          );
          expect(world.store.all().every((record) => record.mirror === "done")).to.equal(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});
