import { setTimeout as delay } from "node:timers/promises";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { until } from "../support/until.ts";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { echo, hang, startRecording, type RecordingBackend } from "./recording-backend.ts";

describeWithRedis("shadow and dual-read", function () {
  this.timeout(60_000);
  let primary: RecordingBackend;
  let secondary: RecordingBackend;
  let mirrored: Mirrored | null;

  beforeEach(async () => {
    primary = await startRecording();
    secondary = await startRecording();
    mirrored = null;
  });
  afterEach(async () => {
    await mirrored?.stop();
    await primary.close();
    await secondary.close();
  });

  async function start(mirror: object, more: object = {}, secondaryConfig: object = {}): Promise<Mirrored> {
    mirrored = await startMirrored({
      primary: primary.url,
      secondary: secondary.url,
      routes: [{ match: {}, mirror: { to: "users-v2", mode: "shadow", ...mirror }, ...more }],
      secondaryConfig: { ...secondaryConfig },
    });
    return mirrored;
  }
  async function get(path: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(mirrored!.cluster.url() + path, init);
    await response.arrayBuffer();
    return response;
  }

  it("shadow: all outcomes of the service are copied behind the answer and compared", async () => {
    await start({});
    primary.behave = (request, response) => {
      response.writeHead(request.path === "/bad" ? 400 : 200, { "Content-Type": "text/plain" });
      response.end("x");
    };
    secondary.behave = primary.behave;
    await get("/good", { method: "POST", body: "a" });
    await get("/bad", { method: "POST", body: "b" });
    await mirrored!.drained(2);
    expect(secondary.received.map(({ body }) => body)).to.have.members(["a", "b"]);
    expect(await mirrored!.coverage()).to.include({ eligible: 2, matched: 2 });
  });

  it("shadow: a long streamed answer reaches the client whole; its copy is sent and called too large to compare", async () => {
    await start({});
    const long = "y".repeat(3_000_000);
    primary.behave = (_request, response) => {
      response.writeHead(200, { "Content-Type": "text/plain" });
      response.end(long);
    };
    const response = await fetch(`${mirrored!.cluster.url()}/long`);
    expect(await response.text()).to.equal(long);
    await mirrored!.drained(1);
    expect(await mirrored!.coverage()).to.include({ eligible: 1, different: 1 });
    const [group] = await mirrored!.differences.groups({ since: null });
    expect(group!.class).to.equal("too-large");
    expect(secondary.received).to.have.length(1);
  });

  it("shadow: a client that leaves changes nothing: its request is copied, and counted as not compared", async () => {
    await start({});
    let breakOff = (): void => undefined;
    primary.behave = (request, response) => {
      if (request.path === "/headless") {
        breakOff = () => response.socket!.destroy();
        return;
      }
      response.writeHead(200, { "Content-Type": "text/plain" }).write("the begin");
    };
    const left = async (path: string, init: RequestInit): Promise<void> => {
      const leaving = new AbortController();
      const arrived = until(() => primary.received.some((one) => one.path === path));
      const answer = fetch(mirrored!.cluster.url() + path, { ...init, signal: leaving.signal });
      answer.catch(() => undefined);
      await arrived;
      if (path !== "/headless") await answer;
      leaving.abort();
      await answer.then((response) => response.text()).catch(() => undefined);
    };
    // What is unsafe is let finish at the service, whoever waits for it.
    await left("/headless", { method: "POST", body: "a" });
    breakOff();
    await left("/half-way", { method: "PUT", body: "b" });
    await mirrored!.drained(2);
    expect(secondary.received.map(({ body }) => body)).to.have.members(["a", "b"]);
    expect((await mirrored!.coverage()).skipped.get("primary-unknown")).to.equal(2);
  });

  it("shadow: what the primary did not answer is copied, what never reached it is not", async () => {
    await start({});
    primary.behave = (_, response) => response.socket!.destroy();
    expect((await get("/", { method: "POST", body: "a" })).status).to.equal(502);
    await mirrored!.drained(1);
    expect(secondary.received).to.have.length(1);
    await primary.close();
    expect((await get("/", { method: "POST", body: "b" })).status).to.equal(502);
    primary = await startRecording();
    await get("/", { method: "HEAD" });
    expect((await mirrored!.coverage()).eligible).to.equal(1);
    expect(secondary.received).to.have.length(1);
  });

  it("shadow: a route that answers 202 is copied once per execution, and counted as not compared", async () => {
    mirrored = await startMirrored({
      primary: primary.url,
      secondary: secondary.url,
      routes: [
        {
          match: { methods: ["POST"] },
          process: { identity: "request", waitMs: 0 },
          mirror: { to: "users-v2", mode: "shadow" },
        },
      ],
    });
    for (let i = 0; i < 3; i++) {
      expect((await get("/reports", { method: "POST", body: "{}" })).status).to.be.oneOf([200, 202]);
    }
    await mirrored.drained(1);
    expect(secondary.received).to.have.length(1);
    expect((await mirrored.coverage()).skipped.get("asynchronous")).to.equal(1);
  });

  it("shadow: what becomes of copies while Redis is away is counted when it is back", async () => {
    await start({});
    secondary.behave = (request, response) => void setTimeout(() => echo(request, response), 100);
    const { redis } = mirrored!.cluster;
    await get("/before", { method: "POST", body: "a" });
    await redis.kill("SIGKILL");
    await get("/while", { method: "POST", body: "b" });
    const { log } = mirrored!.cluster.proxies[0]!;
    await until(() => log().split('"task":"proxy.mirror"').length > 2);
    await redis.restart();
    await mirrored!.drained(2);
    expect(await mirrored!.coverage()).to.include({ eligible: 2, matched: 2 });
  });

  it("shadow: a secondary that hangs sheds the newest, counted, and the sum adds up", async () => {
    const timeouts = { connectMs: 200, firstByteMs: 300, idleMs: 100 };
    await start({ maxLag: { entries: 2, bytes: 1_000_000 } }, {}, { timeouts });
    secondary.behave = hang;
    await Promise.all(Array.from({ length: 60 }, (_, i) => get(`/${i}`)));
    await mirrored!.drained(60, 40_000);
    const coverage = await mirrored!.coverage();
    expect(coverage.eligible).to.equal(60);
    expect(coverage.skipped.get("shed") ?? 0).to.be.greaterThan(0);
    expect(coverage.failed).to.be.greaterThan(0);
    const groups = await mirrored!.differences.groups({ since: null });
    expect(groups.every((group) => group.class === "timeout")).to.equal(true);
  });

  it("shadow: a rate takes whole keys, in or out", async () => {
    await start({ rate: 0.5 });
    for (let i = 0; i < 20; i++) for (let n = 0; n < 2; n++) await get(`/${i}`);
    await delay(500);
    const counts = new Map<string, number>();
    for (const { path } of secondary.received) counts.set(path, (counts.get(path) ?? 0) + 1);
    expect(counts.size).to.be.within(2, 18);
    expect([...counts.values()].every((count) => count === 2)).to.equal(true);
  });

  it("dual-read: what lags behind is a race, what stays unlike a difference", async () => {
    await start({ mode: "dual-read" }, { match: { methods: ["GET"] } });
    let reads = 0;
    secondary.behave = (request, response) => {
      if (request.path === "/behind" && ++reads === 1) request = { ...request, path: "/old" };
      if (request.path === "/wrong") request = { ...request, path: "/other" };
      echo(request, response);
    };
    await get("/behind");
    await get("/wrong");
    await get("/same");
    await mirrored!.drained(3);
    expect(await mirrored!.coverage()).to.include({ eligible: 3, matched: 1, race: 1, different: 1 });
    const groups = await mirrored!.differences.groups({ since: null });
    expect(groups.map(({ class: kind, path }) => `${kind} ${path}`)).to.deep.equal(["body /path"]);
  });

  it("dual-read: what the cache answers is not copied, and the secondary fills no cache", async () => {
    await start({ mode: "dual-read" }, { match: { methods: ["GET"] }, cache: { defaultTtlMs: 60_000 } });
    await get("/cached");
    const hit = await get("/cached");
    expect(hit.headers.get("x-cache")).to.equal("HIT");
    await mirrored!.drained(1);
    expect((await mirrored!.coverage()).eligible).to.equal(1);
    expect(secondary.received).to.have.length(1);
    expect(primary.received).to.have.length(1);
  });
});
