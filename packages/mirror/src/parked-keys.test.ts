import { pending } from "@sticky-proxy/core/mirror";
import type { SecondaryRequest } from "./secondary.ts";
import { expect } from "chai";
import { down, ok, World } from "./testing.ts";

const everything = {
  service: null,
  route: null,
  class: null,
  path: null,
  since: null,
  open: false,
  limit: 9,
  cursor: null,
} as const;

describe("a key of the outbox that fails or is blocked", () => {
  let w: World;
  beforeEach(() => {
    w = new World();
  });

  it("a key that is blocked for long is parked, and is resumed in order", async () => {
    const running = await w.begin("/users/1");
    await w.call("/users/1");
    await w.own();
    await w.turn();
    w.pass(6000);
    await w.turn();
    expect((await w.mirror.parkedKeys({ limit: 9 }))[0]).to.include({ reason: "waiting", entries: 2 });
    await w.call("/users/1");
    await w.end(running);
    w.pass(2000);
    await w.turn();
    await w.turn();
    expect(w.paths).to.have.length(3);
    expect(await w.mirror.parkedKeys({ limit: 9 })).to.deep.equal([]);
  });

  it("a failing key is parked while the others continue, and is resumed in order", async () => {
    w.answer = (request) => (request.head.path === "/users/1" ? down(request) : ok()(request));
    await w.call("/users/1");
    await w.call("/users/2");
    await w.call("/users/1");
    await w.own();
    await w.turn();
    await w.call("/users/1");
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/1", "/users/2"]);
    const [parked] = await w.mirror.parkedKeys({ limit: 9 });
    expect(parked).to.include({ reason: "no-answer", error: "connection_refused", attempts: 1 });
    w.answer = ok();
    w.pass(1000);
    await w.turn();
    const fences = w.sent.filter(({ path }) => path === "/users/1").map(({ fence }) => Number(fence));
    expect(fences).to.have.length(4);
    expect(fences).to.deep.equal(fences.toSorted((a, b) => a - b));
    expect(await w.coverage()).to.include({ eligible: 4, matched: 4 });
  });

  it("entries that are read during a failing attempt of a parked key are kept", async () => {
    w.answer = down;
    await w.call("/users/1");
    await w.own();
    await w.turn();
    await w.call("/users/1");
    w.pass(3000);
    await w.turn();
    w.answer = ok();
    for (let i = 0; i < 3; i++) {
      w.pass(60_000);
      await w.turn();
    }
    expect(await w.coverage()).to.include({ eligible: 2, matched: 2 });
  });

  it("a write that only the secondary refused is a difference that stops its key, and unparking goes on behind it", async () => {
    w.answer = (request) => (request.head.path === "/users/1" ? ok("{}", 409) : ok())(request);
    await w.call("/users/1");
    await w.call("/users/1");
    await w.call("/users/2");
    await w.own();
    await w.turn();
    await w.turn();
    expect(w.paths).to.have.members(["/users/1", "/users/2"]);
    const [parked] = await w.mirror.parkedKeys({ limit: 9 });
    expect(parked).to.include({ reason: "stopped", nextAt: null, entries: 2, error: "refused with 409" });
    expect(await w.coverage()).to.include({ eligible: 3, matched: 1, different: 1 });
    expect((await w.mirror.keyState(0, parked!.orderKey)).diverged).to.equal(true);
    w.answer = ok();
    await w.mirror.unpark(0, parked!.orderKey);
    await w.turn();
    expect(w.paths).to.have.length(3);
    expect(await w.coverage()).to.include({ eligible: 3, matched: 2, different: 1 });
    expect(await w.mirror.parkedKeys({ limit: 9 })).to.deep.equal([]);
  });

  it("a refused write does not stop its key where the route goes on over dead entries", async () => {
    w.changes = { onDeadKey: "continue" };
    w.answer = ok("{}", 404);
    await w.call("/users/1");
    await w.call("/users/1");
    await w.own();
    await w.turn();
    expect(w.paths).to.have.length(2);
    expect(await w.coverage()).to.include({ different: 2 });
    expect(await w.mirror.parkedKeys({ limit: 9 })).to.deep.equal([]);
  });

  it("a key above its maximum age is stopped without loss, until an operator unparks it", async () => {
    w.answer = down;
    await w.call("/users/1");
    await w.own();
    for (let i = 0; i < 40; i++) {
      await w.turn();
      w.pass(1000);
    }
    const [stopped] = await w.mirror.parkedKeys({ limit: 9 });
    expect(stopped).to.include({ reason: "stopped", nextAt: null, entries: 1 });
    const tries = w.sent.length;
    await w.turn();
    expect(w.sent).to.have.length(tries);
    expect(pending(await w.coverage())).to.equal(1);
    w.answer = ok();
    w.pass(60_000);
    await w.mirror.unpark(0, stopped!.orderKey);
    await w.turn();
    expect(await w.coverage()).to.include({ eligible: 1, matched: 1 });
  });

  it("with onDeadKey continue an intent above the maximum age fails with a record, and the next one is sent", async () => {
    w.changes = { onDeadKey: "continue", maxAgeMs: 2000 };
    const downUntil = w.now + 3000;
    w.answer = () =>
      (w.sent.at(-1)!.path === "/users/1" && w.now < downUntil ? down : ok())({} as SecondaryRequest);
    await w.call("/users/1");
    await w.own();
    for (let i = 0; i < 20; i++) {
      await w.turn();
      w.pass(150);
    }
    await w.call("/users/1");
    await w.turn();
    const coverage = await w.coverage();
    expect(coverage).to.include({ eligible: 2, failed: 1, matched: 1 });
  });

  it("a copy that an operator drops before it was answered counts as dropped, and is sent no more", async () => {
    w.changes = { maxAgeMs: 1000 };
    w.answer = down;
    await w.call("/users/1");
    await w.own();
    await w.turn();
    w.pass(5000);
    await w.turn();
    const [parked] = await w.mirror.parkedKeys({ limit: 9 });
    expect(parked!.reason).to.equal("stopped");
    expect(w.stopped, "told once").to.deep.equal(["stopped"]);
    const sends = w.sent.length;
    await w.mirror.skip(0, parked!.orderKey, { by: "ann", why: "never valid" });
    await w.turn();
    expect(w.sent.length).to.equal(sends);
    expect((await w.coverage()).skipped.get("operator")).to.equal(1);
    const { items } = await w.mirror.list({ ...everything });
    expect(items[0]!.sides.secondary.error).to.equal("dropped by ann: never valid (connection_refused)");
    expect(await w.mirror.parkedKeys({ limit: 9 })).to.deep.equal([]);
  });

  it("a write to an id that only the first backend means stops its key unsent", async () => {
    await w.ids.learn("users", [{ collection: "/users", id: "1", secondary: "41" }]);
    await w.call("/users/1");
    await w.call("/users/2");
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users/2"]);
    const [parked] = await w.mirror.parkedKeys({ limit: 9 });
    expect(parked).to.include({
      reason: "id-unmapped",
      nextAt: null,
      error: "the second backend has no id for /users/1",
    });
    expect(w.stopped).to.deep.equal(["id-unmapped"]);
  });

  it("sends nothing while many pairs wait for the comparer, since their bodies stay in memory", async () => {
    await w.call("/users/1");
    w.comparing = 64;
    await w.own();
    await w.turn();
    expect(w.sent).to.deep.equal([]);
    w.comparing = 63;
    await w.own();
    await w.turn();
    expect(await w.coverage()).to.include({ matched: 1 });
  });

  it("of two intents of one millisecond the one of the parent path goes first", async () => {
    w.changes = { orderKey: null };
    w.answer = (request) => (request.head.path === "/users" ? down(request) : ok()(request));
    const [above, below] = [await w.begin("/users"), await w.begin("/users/2")];
    await w.end(above);
    await w.end(below);
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users"]);
  });

  it("an intent waits for earlier intents of its parent paths, in any order of responses", async () => {
    w.changes = { orderKey: null };
    const creating = await w.begin("/users");
    w.pass(1);
    await w.call("/users/2");
    await w.call("/users/2");
    await w.call("/orders/2");
    await w.own();
    await w.turn();
    expect(w.paths).to.deep.equal(["/orders/2"]);
    await w.end(creating, 201);
    await w.turn();
    await w.turn();
    expect(w.paths).to.deep.equal(["/orders/2", "/users", "/users/2", "/users/2"]);
    expect(await w.coverage()).to.include({ matched: 3, different: 1 });
  });

  it("an intent waits for parked intents of its parent paths, and not for later ones", async () => {
    w.changes = { orderKey: null };
    w.answer = (request) => (request.head.path === "/users" ? down(request) : ok()(request));
    await w.call("/users");
    w.pass(1);
    await w.call("/users/2");
    await w.own();
    await w.turn();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users"]);
    const [parked] = await w.mirror.parkedKeys({ limit: 9 });
    expect(parked).to.include({ reason: "no-answer", entries: 1 });
    // No intent of the parent paths is older than this one.
    w.answer = ok();
    w.pass(parked!.nextAt! - w.now);
    await w.turn();
    await w.turn();
    expect(w.paths).to.deep.equal(["/users", "/users", "/users/2"]);

    w.answer = (request) => (request.head.path === "/users" ? down(request) : ok()(request));
    const changing = await w.begin("/users/2");
    w.pass(1);
    await w.call("/users");
    await w.turn();
    await w.end(changing);
    await w.turn();
    expect(w.paths.slice(3)).to.deep.equal(["/users", "/users/2"]);
    expect((await w.mirror.parkedKeys({ limit: 9 }))[0]).to.include({ entries: 1 });
  });
});
