import { setTimeout as delay } from "node:timers/promises";
import { setPhase, switchAuthority, type MigrationPorts, type SwitchResult } from "@sticky-proxy/operations";
import { testRoute, testService } from "@sticky-proxy/core/testing";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { asMonotonicMs } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { hang, startRecording, type RecordingBackend } from "./recording-backend.ts";

type ClosedSwitch = Extract<SwitchResult, { gates: unknown }>;

const migration = { to: "users-v2", maxDifferenceRate: 0, minCompared: 1, barrierMs: 30_000 };
const mirror = { to: "users-v2", mode: "dual-write", orderKey: { path: "/keys/{key}" } };
const processOnes = {
  match: { methods: ["PUT"] },
  process: { identity: "none", waitMs: 20_000, leaseMs: 1000, onWaitEnd: "timeout" },
  mirror,
};

describeWithRedis("the switch of a migration", function () {
  this.timeout(180_000);
  let first: RecordingBackend;
  let second: RecordingBackend;
  let mirrored: Mirrored | null = null;
  let ports: MigrationPorts;

  beforeEach(async () => {
    first = await startRecording();
    second = await startRecording();
  });
  afterEach(async () => {
    await mirrored?.stop();
    mirrored = null;
    await first.close();
    await second.close();
  });

  async function start(
    more: Partial<typeof migration> = {},
    outbox: "required" | "best-effort" = "best-effort",
  ): Promise<void> {
    const policy = { ...migration, ...more };
    mirrored = await startMirrored({
      primary: first.url,
      secondary: second.url,
      routes: [
        { ...processOnes, mirror: { ...mirror, outbox } },
        { match: { path: "/" }, mirror: { ...mirror, outbox } },
      ],
      primaryConfig: { migration: policy },
      proxies: 2,
    });
    const route = testRoute({ name: "PUT /", match: { methods: ["PUT"], path: "/" } });
    const others = testRoute({ name: "* /", match: { methods: [], path: "/" } });
    const own = { name: "users", migration: policy, routes: [route, others] };
    ports = {
      migrations: mirrored.migrations,
      outbox: mirrored.outbox,
      differences: mirrored.differences,
      configured: () => [testService(own), testService({ name: "users-v2" })],
      clock: { monotonic: () => asMonotonicMs(performance.now()) },
      sleep: (ms) => delay(ms),
      newToken: () => Math.random().toString(36),
    };
    await setPhase(ports, "users", "dual-write");
    // Everybody has looked.
    await until(async () => (await mirrored!.migrations.views("users")).length === 3);
    await seen();
  }

  /** Resolves when every node has said something newer than this call. */
  async function seen(): Promise<void> {
    await delay(1);
    const at = performance.now();
    await until(async () =>
      (await mirrored!.migrations.views("users")).every(({ ageMs }) => performance.now() - at > ageMs),
    );
  }

  const send = (method: string, path: string, body: string, via = 0): Promise<Response> =>
    fetch(`${mirrored!.cluster.url(via)}${path}`, {
      method,
      ...(method === "GET" ? {} : { body }),
      signal: AbortSignal.timeout(60_000),
    });

  interface Load {
    readonly acknowledged: Map<string, string[]>;
    end(): Promise<void>;
  }

  /** Each client writes rising numbers under its own key, through a proxy of its own; a 503 is repeated. */
  function load(clients: number): Load {
    const acknowledged = new Map<string, string[]>();
    let isOver = false;
    const writers = Array.from({ length: clients }, async (_, client) => {
      const done: string[] = [];
      acknowledged.set(`k${client}`, done);
      const method = client % 2 === 0 ? "PUT" : "POST";
      for (let n = 0; !isOver; n++) {
        const status = await send(method, `/keys/k${client}`, String(n), client).then(
          async (answer) => {
            await answer.arrayBuffer();
            return answer.status;
          },
          () => 0, // its replica was killed: nobody knows
        );
        if (status === 200) done.push(String(n));
        else if (status === 503) n--;
        await delay(5);
      }
    });
    return {
      acknowledged,
      async end() {
        isOver = true;
        await Promise.all(writers);
      },
    };
  }

  /** Both have every acknowledged write, each key's in order. */
  function expectWhole({ acknowledged }: Load): void {
    for (const [key, bodies] of acknowledged) {
      for (const backend of [first, second]) {
        const arrived = [
          ...new Set(backend.received.filter(({ path }) => path.endsWith(`/${key}`)).map(({ body }) => body)),
        ];
        const numbers = arrived.map(Number);
        expect(numbers, `order of ${key}`).to.deep.equal(numbers.toSorted((a, b) => a - b));
        expect(arrived, `writes of ${key}`).to.include.members(bodies);
      }
    }
  }

  /** A copy of best effort may be written down only after its answer: waits until both have every acknowledged write. */
  async function arrivedWhole(one: Load): Promise<void> {
    const isThere = ({ received }: RecordingBackend, [key, bodies]: [string, string[]]): boolean => {
      const there = new Set(received.filter(({ path }) => path.endsWith(`/${key}`)).map(({ body }) => body));
      return bodies.every((body) => there.has(body));
    };
    await until(() =>
      Promise.resolve([...one.acknowledged].every((key) => isThere(first, key) && isThere(second, key))),
    ).catch(() => undefined);
    expectWhole(one);
  }

  async function answering(): Promise<"first" | "second"> {
    const path = `/who/${Math.random()}`;
    await (await send("GET", path, "")).arrayBuffer();
    const has = ({ received }: RecordingBackend): boolean =>
      received.some((one) => one.path === path && one.headers["sticky-process-id"] === undefined);
    return has(first) ? "first" : "second";
  }

  it("under load, there and back: nothing lost, nothing reordered, and the other backend is then the one that gets copies", async () => {
    await start();
    const running = load(6);
    await until(async () => [...running.acknowledged.values()].every((one) => one.length > 5));
    await until(async () => (await mirrored!.coverage()).matched > 0);
    expect(await switchAuthority(ports, "users", "second")).to.deep.equal({ result: "switched" });
    await until(async () => (await answering()) === "second");
    const then = running.acknowledged.get("k0")!.length;
    await until(async () => running.acknowledged.get("k0")!.length > then + 5);
    expect(await switchAuthority(ports, "users", "first")).to.deep.equal({ result: "switched" });
    await until(async () => (await answering()) === "first");
    await running.end();
    await mirrored!.drained(1, 60_000);
    await arrivedWhole(running);
  });

  it("a closed gate changes nothing: a copy that differs, a key that stands aside, nothing compared", async () => {
    await start();
    const outcome = (await switchAuthority(ports, "users", "second")) as ClosedSwitch;
    expect(outcome.result).to.equal("closed");
    expect(outcome.gates.filter(({ isOpen }) => !isOpen).map(({ name }) => name)).to.deep.equal(["compared"]);
    second.behave = (_, response) => response.writeHead(200).end("another");
    await (await send("PUT", "/keys/a", "1")).arrayBuffer();
    await mirrored!.drained(1, 60_000);
    const again = (await switchAuthority(ports, "users", "second")) as typeof outcome;
    expect(again.gates.filter(({ isOpen }) => !isOpen).map(({ name }) => name)).to.deep.equal([
      "differences",
    ]);
    expect(await answering()).to.equal("first");
  });

  it("copies that cannot be made in time: writes wait and go on at the same backend, and nothing has changed", async () => {
    await start({ barrierMs: 6000 });
    await (await send("PUT", "/keys/a", "1")).arrayBuffer();
    await mirrored!.drained(1, 60_000);
    second.behave = hang;
    await (await send("PUT", "/keys/b", "1")).arrayBuffer();
    const switching = switchAuthority(ports, "users", "second");
    await until(async () => (await mirrored!.migrations.read("users")).barrier !== null);
    await seen();
    await until(async () =>
      (await mirrored!.migrations.views("users")).every(({ barrier }) => barrier !== ""),
    );
    const waiting = send("POST", "/keys/c", "1");
    expect((await switching)!.result).to.equal("timed-out");
    expect((await waiting).status).to.equal(200);
    expect(first.received.map(({ path }) => path)).to.include("/keys/c");
    expect(await answering()).to.equal("first");
  });

  it("a replica killed in the middle: whatever comes of the switch, no acknowledged write is lost or out of order", async () => {
    await start({}, "required");
    const running = load(6);
    await until(async () => [...running.acknowledged.values()].every((one) => one.length > 5));
    await until(async () => (await mirrored!.coverage()).matched > 0);
    const switching = switchAuthority(ports, "users", "second");
    await until(async () => (await mirrored!.migrations.read("users")).barrier !== null);
    await mirrored!.cluster.proxies[1]!.kill("SIGKILL");
    const outcome = await switching;
    expect(outcome!.result).to.be.oneOf(["switched", "closed", "timed-out"]);
    await running.end();
    await mirrored!.drained(1, 60_000);
    const authority = (await mirrored!.migrations.read("users")).state!.authority;
    expect(authority).to.equal(outcome!.result === "switched" ? "second" : "first");
    expectWhole(running);
  });

  it("Redis away: writes of the service are refused as not sent, reads go on", async () => {
    await start();
    await mirrored!.cluster.redis.stop();
    await until(async () => (await send("POST", "/keys/a", "1")).status === 503);
    const refused = await send("POST", "/keys/a", "2");
    expect(((await refused.json()) as { executed: string }).executed).to.equal("no");
    expect((await send("GET", "/keys/a", "")).status).to.equal(200);
  });
});

async function until(holds: () => Promise<boolean>, ms = 60_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error("it did not come true in time");
    await delay(20);
  }
}
