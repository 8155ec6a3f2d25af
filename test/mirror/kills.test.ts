import { setTimeout as delay } from "node:timers/promises";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { echo, hang, startRecording, type RecordingBackend } from "./recording-backend.ts";

const route = (more: object = {}): Record<string, unknown> => ({
  match: { methods: ["POST", "PUT"] },
  process: { identity: "none", waitMs: 20_000, leaseMs: 1000, onWaitEnd: "timeout" },
  mirror: { to: "users-v2", mode: "dual-write", orderKey: { path: "/keys/{key}" }, ...more },
});

describeWithRedis("dual-write when something dies", function () {
  this.timeout(120_000);
  let primary: RecordingBackend;
  let secondary: RecordingBackend;
  let mirrored: Mirrored | null = null;

  beforeEach(async () => {
    primary = await startRecording();
    secondary = await startRecording();
  });
  afterEach(async () => {
    await mirrored?.stop();
    mirrored = null;
    await primary.close();
    await secondary.close();
  });

  interface Outcome {
    readonly body: string;
    readonly key: string;
    readonly status: number | "cut";
  }

  /** `clients` at once, each writing rising numbers under its own key; a write that failed is not repeated. */
  async function load(writes: number, clients: number, pauseMs = 0): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    await Promise.all(
      Array.from({ length: clients }, async (_, client) => {
        for (let n = 0; n < writes; n++) {
          const [key, body] = [`k${client}`, `${client}:${n}`];
          const status = await fetch(`${mirrored!.cluster.url(client)}/keys/${key}`, {
            method: "PUT",
            body,
          }).then(
            async (response) => {
              await response.arrayBuffer();
              return response.status;
            },
            () => "cut" as const,
          );
          outcomes.push({ key, body, status });
          if (pauseMs > 0) await delay(pauseMs);
        }
      }),
    );
    return outcomes;
  }

  /** Every acknowledged write is there, in order, repeats only of what was sent before. */
  function expectMirrored(outcomes: readonly Outcome[]): void {
    for (const key of new Set(outcomes.map((one) => one.key))) {
      const acknowledged = outcomes
        .filter((one) => one.key === key && one.status === 200)
        .map((one) => one.body);
      const arrived = [
        ...new Set(secondary.received.filter(({ path }) => path.endsWith(key)).map(({ body }) => body)),
      ];
      const numbers = arrived.map((body) => Number(body.split(":")[1]));
      expect(numbers, `order of ${key}`).to.deep.equal(numbers.toSorted((a, b) => a - b));
      expect(arrived, `writes of ${key}`).to.include.members(acknowledged);
    }
  }

  it("a sweeper killed again and again loses nothing, doubles no outcome and keeps the order", async () => {
    mirrored = await startMirrored({
      primary: primary.url,
      secondary: secondary.url,
      routes: [route()],
      sweepers: 1,
    });
    secondary.behave = (request, response) => void setTimeout(() => echo(request, response), 10);
    const loading = load(40, 4, 20);
    for (let i = 0; i < 4; i++) {
      await delay(400);
      const victim = mirrored.cluster.sweepers.shift()!;
      await victim.kill("SIGKILL");
      await mirrored.cluster.startSweeper();
      await mirrored.coverage();
    }
    const outcomes = await loading;
    await mirrored.drained(160, 60_000);
    expect(outcomes.every(({ status }) => status === 200)).to.equal(true);
    expectMirrored(outcomes);
    const coverage = await mirrored.coverage();
    expect(coverage).to.include({ eligible: 160, matched: 160 });
    const repeats = secondary.received.length - 160;
    const keys = new Set(secondary.received.map(({ headers }) => headers["idempotency-key"]));
    expect(keys.size).to.equal(160);
    expect(repeats).to.be.at.least(0);
  });

  it("a sweeper that slept through its leadership changes nothing when it wakes", async () => {
    mirrored = await startMirrored({
      primary: primary.url,
      secondary: secondary.url,
      routes: [route()],
      sweepers: 2,
    });
    secondary.behave = (request, response) => void setTimeout(() => echo(request, response), 50);
    const loading = load(30, 4);
    await delay(400);
    // The one that was first leads most of it.
    const { child } = mirrored.cluster.sweepers[0]!;
    child.kill("SIGSTOP");
    await delay(7500);
    child.kill("SIGCONT");
    await mirrored.coverage();
    const outcomes = await loading;
    await mirrored.drained(120, 60_000);
    expectMirrored(outcomes);
    expect(await mirrored.coverage()).to.include({ eligible: 120, matched: 120 });
  });

  it("Redis killed and restarted (AOF) with proxies and sweeper running: every acknowledged write arrives", async () => {
    mirrored = await startMirrored({ primary: primary.url, secondary: secondary.url, routes: [route()] });
    const loading = load(40, 4, 25);
    await delay(300);
    await mirrored.cluster.redis.kill("SIGKILL");
    await delay(400);
    await mirrored.cluster.redis.restart();
    const outcomes = await loading;
    await load(1, 4);
    await mirrored.drained(4, 60_000);
    expectMirrored(outcomes);
    const acknowledged = outcomes.filter(({ status }) => status === 200).length;
    expect(acknowledged).to.be.greaterThan(20);
    const coverage = await mirrored.coverage();
    expect(coverage.eligible).to.be.at.least(acknowledged);
    expect(coverage.different).to.equal(0);
  });

  it("an intent that the store did not take before its dispatch is written before the answer: no gap, in order", async () => {
    mirrored = await startMirrored({ primary: primary.url, secondary: secondary.url, routes: [route()] });
    await load(1, 1);
    await mirrored.drained(1);
    const admin = new Redis(mirrored.cluster.redis.url);
    try {
      const streams = Array.from({ length: mirrored.outbox.partitions }, (_, p) => `sp:{p${p}}:o`);
      // A stream that is a string takes no intent; the process itself knows nothing of it.
      await admin.mset(...streams.flatMap((key) => [key, "broken"]));
      primary.behave = (request, response) =>
        void admin.del(...streams).then(() => {
          primary.behave = echo;
          echo(request, response);
        });
      const outcomes = await load(3, 1);
      expect(outcomes.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
      await mirrored.drained(4);
      expect(secondary.received.slice(1).map(({ body }) => body)).to.deep.equal(["0:0", "0:1", "0:2"]);
      expect(await mirrored.outbox.gaps({ limit: 9 })).to.deep.equal([]);
      expect(await mirrored.coverage()).to.include({ eligible: 4, matched: 4 });
    } finally {
      admin.disconnect();
    }
  });

  it("a proxy killed in the middle of calls: what it began is settled, counted and never guessed", async () => {
    mirrored = await startMirrored({
      primary: primary.url,
      secondary: secondary.url,
      routes: [route()],
      proxies: 2,
    });
    // The calls of clients 0, 2 and 4, which are at the first proxy, are held at the primary until it is dead.
    let held = 0;
    const { promise: victimIsBusy, resolve } = Promise.withResolvers<void>();
    primary.behave = (request, response) => {
      if (!/k[024]$/.test(request.path)) echo(request, response);
      else if (++held === 3) resolve();
    };
    const loading = load(6, 6);
    await victimIsBusy;
    await mirrored.cluster.proxies[0]!.kill("SIGKILL");
    const outcomes = await loading;
    const cut = outcomes.filter(({ status }) => status !== 200).length;
    expect(cut).to.be.greaterThan(0);
    await mirrored.drained(18 + 3, 60_000); // also those whose intents did not stand yet: whoever takes over writes them
    expectMirrored(outcomes);
    const coverage = await mirrored.coverage();
    expect(coverage.skipped.get("primary-unknown")).to.equal(3);
    expect(coverage.matched).to.equal(coverage.eligible - 3);
    const { items } = await mirrored.differences.list({
      service: "users",
      route: null,
      class: "primary-unknown",
      path: null,
      since: null,
      open: true,
      limit: 100,
      cursor: null,
    });
    expect(items).to.have.length(3);
  });

  it("a secondary that fails for one key parks that key alone, and catches up in order", async () => {
    mirrored = await startMirrored({ primary: primary.url, secondary: secondary.url, routes: [route()] });
    let isBroken = true;
    secondary.behave = (request, response) => {
      if (!isBroken || !request.path.endsWith("k0")) return echo(request, response);
      response.writeHead(503);
      response.end();
    };
    const outcomes = await load(5, 3);
    const settled = async (): Promise<boolean> => {
      const [key] = await mirrored!.outbox.parkedKeys({ limit: 9 });
      return key?.entries === 5 && (await mirrored!.coverage()).matched === 10;
    };
    for (let tries = 0; !(await settled()) && tries < 600; tries++) await delay(50);
    expect(await mirrored.coverage()).to.include({ eligible: 15, matched: 10 });
    const [parked] = await mirrored.outbox.parkedKeys({ limit: 9 });
    expect(parked).to.include({ service: "users", entries: 5, reason: "try-later", error: "status 503" });
    expect((await mirrored.lag()).parkedKeys).to.equal(1);
    isBroken = false;
    await mirrored.drained(15, 60_000);
    const first = secondary.received.filter(({ path }) => path.endsWith("k0")).map(({ body }) => body);
    expect([...new Set(first)]).to.deep.equal(["0:0", "0:1", "0:2", "0:3", "0:4"]);
    expectMirrored(outcomes);
    expect(await mirrored.coverage()).to.include({ eligible: 15, matched: 15 });
  });

  it("a secondary that hangs is not waited for by any client, and its writes stay in the outbox", async () => {
    mirrored = await startMirrored({ primary: primary.url, secondary: secondary.url, routes: [route()] });
    secondary.behave = hang;
    const outcomes = await load(4, 4);
    expect(outcomes.every(({ status }) => status === 200)).to.equal(true);
    expect((await mirrored.lag()).entries).to.equal(16);
    secondary.behave = echo;
  });

  it("a secondary that is away for a while gets everything when it is back", async () => {
    mirrored = await startMirrored({ primary: primary.url, secondary: secondary.url, routes: [route()] });
    const { port } = secondary;
    await secondary.close();
    const outcomes = await load(5, 4);
    expect(outcomes.every(({ status }) => status === 200)).to.equal(true);
    await delay(500);
    secondary = await startRecording(port);
    await mirrored.drained(20, 60_000);
    expectMirrored(outcomes);
    expect(await mirrored.coverage()).to.include({ eligible: 20, matched: 20, failed: 0 });
  });
});
