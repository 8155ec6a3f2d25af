/** What each operation asks of Redis, counted by Redis itself: MONITOR shows every command that came over the wire. */
import { createWatchdog } from "@sticky-proxy/engine";
import { asMonotonicMs, parseProcessId } from "@sticky-proxy/protocol";
import { openStore } from "@sticky-proxy/store";
import { describeWithRedis, FakeUpstream, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { until } from "../support/until.ts";

type OpenStore = Awaited<ReturnType<typeof openStore>>;

describeWithRedis("round trips to Redis", () => {
  let server: TestRedis;
  let redis: Redis;
  let monitor: Redis;
  let open: OpenStore;
  let upstream: FakeUpstream;
  let cluster: Nodes;
  let held: (() => void)[] = [];
  let readsDone = 0;
  const commands: string[] = [];

  before(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
    monitor = await redis.monitor();
    monitor.on("monitor", (_time: string, [name, ...args]: string[], source: string) => {
      // The pulse of each connection belongs to no operation.
      if (source !== "lua" && name !== "ping") commands.push([name!.toLowerCase(), args[0] ?? ""].join(" "));
    });
    upstream = await FakeUpstream.start((request, response) => {
      if (request.target.startsWith("/held")) held.push(() => response.end("late"));
      else response.end("done");
    });
    open = await openStore({
      target: { url: server.url },
      keyPrefix: "sp:",
      partitions: 8,
      timelineLength: 100,
      waitMs: 5000,
      onError: () => undefined,
    });
    cluster = await startNodes({
      store: {
        ...open.processes,
        async read(ref, options) {
          const snapshot = await open.processes.read(ref, options);
          readsDone += 1;
          return snapshot;
        },
        watch: (scope, onChange) => open.changes.watch(scope, onChange),
      },
      yaml: `
services:
  payments:
    instances: [${upstream.origin}]
    routes:
      - process: { identity: key }
`,
    });
    // Everything that is asked for once: scripts, the subscriptions of the partitions, the server's clock.
    open.changes.watchAll(() => undefined);
    await until(() => open.changes.isLive());
    for (let i = 0; i < 20; i += 1) await (await charge(`warm-${i}`)).text();
  });
  after(async () => {
    for (const release of held) release();
    await cluster.close();
    await open.close();
    await upstream.close();
    monitor.disconnect();
    redis.disconnect();
    await server.stop();
  });
  beforeEach(() => {
    held = [];
  });

  function charge(key: string, path = "/charges"): Promise<Response> {
    return fetch(`${cluster.url()}/payments${path}`, {
      method: "POST",
      headers: { "Idempotency-Key": key, "Content-Type": "application/json" },
      body: '{"amount":5}',
    });
  }
  /** What came over the wire during `work`, in order. */
  async function during(work: () => Promise<unknown>): Promise<string[]> {
    await mark("begin");
    commands.length = 0;
    await work();
    await mark("end");
    return commands
      .splice(0)
      .filter((command) => !command.startsWith("echo ") && !command.startsWith("ping")); // the pulse of idle connections
  }
  /** MONITOR tells commands in their order, so all before the mark have been seen when the mark is. */
  async function mark(name: string): Promise<void> {
    await redis.echo(name);
    await until(() => commands.includes(`echo ${name}`));
  }
  async function trips(work: () => Promise<unknown>): Promise<number> {
    const seen = await during(work);
    expect(seen.filter((command) => !command.startsWith("evalsha "))).to.deep.equal([]);
    return seen.length;
  }
  async function started(key: string): Promise<{ answer: Promise<Response>; id: string }> {
    const before = upstream.requests.length;
    const answer = charge(key, "/held");
    await upstream.arrived(before + 1);
    return { answer, id: upstream.last.headers.get("sticky-process-id")! };
  }

  it("a new execution takes two: begin and commit", async () => {
    // Many at a time: a commit's own notice may then be heard before its reply, and must not be read after.
    const many = Array.from({ length: 60 }, (_, i) => `new-${i}`);
    const count = await trips(() => Promise.all(many.map(async (key) => (await charge(key)).text())));
    expect(count).to.equal(2 * many.length);
  });

  it("a replay takes one", async () => {
    await (await charge("again")).text();
    let replayed = "";
    const count = await trips(async () => {
      const answer = await charge("again");
      replayed = `${answer.headers.get("idempotent-replayed")} ${await answer.text()}`;
    });
    expect([count, replayed]).to.deep.equal([1, "true done"]);
  });

  it("a poll takes one, while the process runs and afterwards", async () => {
    const { answer, id } = await started("polled");
    const poll = async (): Promise<string> => {
      const view = await fetch(`${cluster.url()}/_sticky/v1/processes/${id}`);
      return ((await view.json()) as { status: string }).status;
    };
    let status = "";
    expect(await trips(async () => (status = await poll()))).to.equal(1);
    expect(status).to.equal("in-progress");
    held[0]!();
    await (await answer).text();
    expect(await trips(async () => (status = await poll()))).to.equal(1);
    expect(status).to.equal("completed");
  });

  it("clients that wait take none, and one together when their process ends", async () => {
    const { answer } = await started("joined");
    readsDone = 0;
    const joined = Array.from({ length: 10 }, () => charge("joined", "/held"));
    await until(() => readsDone >= joined.length); // now all of them wait
    const count = await trips(async () => {
      held[0]!();
      const answers = await Promise.all([answer, ...joined]);
      for (const each of answers) expect(await each.text()).to.equal("late");
    });
    expect(count).to.equal(2); // the commit and the read
  });

  it("a plain request takes none", async () => {
    const seen = await during(async () => (await fetch(`${cluster.url()}/elsewhere`)).text());
    expect(seen).to.deep.equal([]);
  });

  it("the watchdog's tick is one write to the server, with one script per partition", async () => {
    const running = [];
    for (let i = 0; i < 12; i += 1) running.push(await started(`renewed-${i}`));
    const partitions = new Set<number>();
    const lost: unknown[] = [];
    let now = 0;
    const watchdog = createWatchdog({
      store: open.processes,
      clock: { monotonic: () => asMonotonicMs(now) },
      onLost: (lease) => lost.push(lease),
      onFailure: (error) => lost.push(error),
    });
    for (const { id } of running) {
      const ref = parseProcessId(id)!;
      partitions.add(ref.partition);
      const { record } = await open.processes.read(ref, { withResult: false });
      watchdog.track(record!, now, () => undefined);
    }
    expect(await trips(() => watchdog.tick())).to.equal(0);
    now = 20_000;
    const { stream: socket } = open.redis.writes as Redis;
    const ticking = watchdog.tick();
    await Promise.resolve();
    expect(socket.writableCorked, "all wait for one write").to.equal(1);
    const bytes = socket.writableLength;
    await ticking;
    expect([bytes > 0, socket.writableCorked]).to.deep.equal([true, 0]);
    now = 40_000;
    expect(await trips(() => watchdog.tick())).to.equal(partitions.size);
    expect(lost).to.deep.equal([]);
    for (const release of held) release();
    await Promise.all(running.map(async ({ answer }) => (await answer).text()));
  });
});
