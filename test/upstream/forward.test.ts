/** The forwarder: admission, choice, repeats, outcomes. Real connections on loopback. */
import { asMonotonicMs } from "@sticky-proxy/protocol";
import type { RequestHead } from "@sticky-proxy/core/http";
import type { Service } from "@sticky-proxy/core/registry";
import { FakeUpstream, RawUpstream } from "@sticky-proxy/testkit";
import {
  collectBody,
  createForwarder,
  type Attempt,
  type ForwarderOptions,
  type ForwardRequest,
  type UpstreamOutcome,
} from "@sticky-proxy/upstream";
import { expect } from "chai";
import { Readable } from "node:stream";

import { service } from "../http/gateway.ts";

describe("the forwarder", () => {
  const open: { close(): Promise<void> }[] = [];
  const attempts: Attempt[] = [];

  afterEach(async () => {
    attempts.length = 0;
    for (const part of open.splice(0).toReversed()) await part.close();
  });

  function forwarder(options: Partial<ForwarderOptions> = {}): ReturnType<typeof createForwarder> {
    const made = createForwarder({
      pseudonym: "sticky-proxy",
      loopId: "x",
      onAttempt: (attempt) => attempts.push(attempt),
      ...options,
    });
    open.push(made);
    return made;
  }

  async function fake(handler?: Parameters<typeof FakeUpstream.start>[0]): Promise<FakeUpstream> {
    const upstream = await FakeUpstream.start(handler);
    open.push(upstream);
    return upstream;
  }

  async function deadOrigin(): Promise<string> {
    const upstream = await RawUpstream.start("");
    const { origin } = upstream;
    await upstream.close();
    return origin;
  }

  function request(to: Service, more: Partial<ForwardRequest> & { method?: string } = {}): ForwardRequest {
    const head: RequestHead = { method: more.method ?? "GET", path: "/", query: null, headers: [] };
    return {
      service: to,
      route: null,
      head,
      set: [],
      body: null,
      bodyLength: null,
      client: null,
      signal: new AbortController().signal,
      ...more,
    };
  }

  async function read(outcome: UpstreamOutcome): Promise<string> {
    if (outcome.kind !== "responded") throw new Error(`failed: ${outcome.slug} ${outcome.proxyStatus}`);
    const collected = await collectBody(outcome.body, 1_000_000);
    if (collected.kind !== "complete") throw new Error(collected.kind);
    // undici gives a connection back one turn of the loop after its response.
    await new Promise((resolve) => setImmediate(resolve));
    return Buffer.from(collected.body).toString();
  }

  it("an instance that refuses the connection is replaced by another one within the same call", async () => {
    const alive = await fake();
    const to = service([await deadOrigin(), alive.origin]);
    const made = forwarder({ random: () => 0 });
    for (let i = 0; i < 4; i += 1) {
      const outcome = await made.forward(request(to, { method: "POST", body: Buffer.from("x") }));
      expect(await read(outcome)).to.equal("ok");
    }
    expect(alive.requests).to.have.lengthOf(4);
    expect(attempts.some(({ outcome }) => outcome === "connection_refused")).to.equal(true);
  });

  it("with affinity a session meets one instance on every node while that lives, then another one", async () => {
    const upstreams = [await fake(), await fake(), await fake()];
    const to = service(
      upstreams.map(({ origin }) => origin),
      { affinity: { field: "mcp-session-id" } },
    );
    const nodes = [forwarder(), forwarder()];
    const ask = async (session: string, made = nodes[0]!): Promise<FakeUpstream> => {
      const before = upstreams.map(({ requests }) => requests.length);
      const plain = request(to);
      const headers = [["Mcp-Session-Id", session]] as const;
      expect(await read(await made.forward({ ...plain, head: { ...plain.head, headers } }))).to.equal("ok");
      return upstreams.find(({ requests }, i) => requests.length > before[i]!)!;
    };
    const sessions = Array.from({ length: 12 }, (_, i) => `session ${i}`);
    const homes = new Map<string, FakeUpstream>();
    for (const session of sessions) homes.set(session, await ask(session));
    expect(new Set(homes.values()).size).to.equal(3);
    for (const session of sessions) expect(await ask(session, nodes[1])).to.equal(homes.get(session));
    const [gone] = upstreams;
    await gone!.close();
    for (const session of sessions) {
      const now = await ask(session);
      if (homes.get(session) === gone) expect(now).to.equal(await ask(session, nodes[1]));
      else expect(now).to.equal(homes.get(session));
    }
  });

  it("with every connection refused the outcome is upstream-unreachable, executed no", async () => {
    const to = service([await deadOrigin(), await deadOrigin()]);
    const outcome = await forwarder().forward(request(to));
    expect(outcome).to.include({
      kind: "failed",
      executed: "no",
      slug: "upstream-unreachable",
      aborted: false,
    });
    expect(attempts).to.have.lengthOf(2);
  });

  it("instances that are down are left out, and with all of them down nothing is sent", async () => {
    const [one, two] = [await fake(), await fake()];
    const down = new Set(["up-0"]);
    const made = forwarder({ health: { get: (_, instance) => (down.has(instance) ? "down" : "up") } });
    const to = service([one.origin, two.origin]);
    for (let i = 0; i < 6; i += 1) await read(await made.forward(request(to)));
    expect(one.requests).to.have.lengthOf(0);
    expect(two.requests).to.have.lengthOf(6);
    down.add("up-1");
    const outcome = await made.forward(request(to));
    expect(outcome).to.include({ kind: "failed", executed: "no", slug: "service-unavailable" });
    expect(two.requests).to.have.lengthOf(6);
  });

  it("avoided instances are used only when no other is left", async () => {
    const [one, two] = [await fake(), await fake()];
    const made = forwarder();
    const to = service([one.origin, two.origin]);
    for (let i = 0; i < 4; i += 1) await read(await made.forward(request(to, { avoid: new Set(["up-0"]) })));
    expect(one.requests).to.have.lengthOf(0);
    await read(await made.forward(request(to, { avoid: new Set(["up-0", "up-1"]) })));
  });

  it("requests are spread over the instances", async () => {
    const upstreams = [await fake(), await fake(), await fake()];
    const made = forwarder();
    const to = service(upstreams.map(({ origin }) => origin));
    const outcomes = await Promise.all(Array.from({ length: 60 }, () => made.forward(request(to))));
    await Promise.all(outcomes.map(read));
    for (const { requests } of upstreams) expect(requests.length).to.be.greaterThan(5);
  });

  it("an instance that was slow once is asked less for a while, not for ever", async () => {
    let now = 1_000;
    const slow = await fake((_request, response) => {
      now += 500;
      response.end("slow");
    });
    const fast = await fake((_request, response) => response.end("fast"));
    const made = forwarder({ clock: { monotonic: () => asMonotonicMs(now) }, random: () => 0 });
    const to = service([slow.origin, fast.origin]);
    const ask = async (): Promise<string> => read(await made.forward(request(to)));
    expect([await ask(), await ask(), await ask()]).to.deep.equal(["slow", "fast", "fast"]);
    now += 60_000;
    expect(await ask()).to.equal("slow");
  });

  /** Answers the first request of each connection; closes when a second one arrives on it. */
  async function closesOnReuse(): Promise<RawUpstream> {
    let seen = new Map<number, number>();
    const upstream = await RawUpstream.start(({ socket, number }) => {
      const count = (seen.get(number) ?? 0) + 1;
      seen = new Map(seen).set(number, count);
      if (count === 1) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      else socket.destroy();
    });
    open.push(upstream);
    return upstream;
  }

  it("keep-alive race: an idempotent request is sent again on a new connection", async () => {
    const upstream = await closesOnReuse();
    const made = forwarder();
    const to = service(upstream.origin);
    for (let i = 0; i < 3; i += 1) expect(await read(await made.forward(request(to)))).to.equal("ok");
    expect(attempts.filter(({ outcome }) => outcome === "connection_terminated")).to.have.lengthOf(2);
  });

  it("F1: keep-alive race: a POST whose bytes were written is never sent again, executed unknown", async () => {
    const upstream = await closesOnReuse();
    const made = forwarder();
    const to = service(upstream.origin);
    const post = { method: "POST", body: Buffer.from("pay") };
    expect(await read(await made.forward(request(to, post)))).to.equal("ok");
    const second = await made.forward(request(to, post));
    expect(second).to.include({ kind: "failed", executed: "unknown", slug: "upstream-invalid-response" });
    const posts = upstream.connections.reduce(
      (sum, { received }) => sum + received.split("POST / ").length - 1,
      0,
    );
    expect(posts).to.equal(2);
  });

  it("F1: keep-alive race: a POST to a service that honours its key is sent again", async () => {
    const upstream = await closesOnReuse();
    const made = forwarder();
    const to = service(upstream.origin, { honoursKey: true });
    const post = { method: "POST", body: Buffer.from("pay"), set: [["Idempotency-Key", '"k"'] as const] };
    for (let i = 0; i < 2; i += 1) expect(await read(await made.forward(request(to, post)))).to.equal("ok");
  });

  it("F1: a caller that forbids it gets no repeat, whatever the method", async () => {
    const upstream = await closesOnReuse();
    const made = forwarder();
    const to = service(upstream.origin);
    expect(await read(await made.forward(request(to, { resend: false })))).to.equal("ok");
    const second = await made.forward(request(to, { resend: false }));
    expect(second).to.include({ kind: "failed", executed: "unknown" });
  });

  it("a new connection that closes without an answer is no race: nothing is repeated", async () => {
    const upstream = await RawUpstream.start("");
    open.push(upstream);
    const outcome = await forwarder().forward(request(service(upstream.origin)));
    expect(outcome).to.include({ kind: "failed", executed: "unknown" });
    expect(upstream.connections).to.have.lengthOf(1);
  });

  it("beyond the limit requests queue in order, beyond the queue they are refused", async () => {
    const finish: (() => void)[] = [];
    const upstream = await fake((_request, response) => void finish.push(() => response.end("ok")));
    const made = forwarder();
    const to = service(upstream.origin, { limits: { maxInFlight: 1, maxQueue: 1, queueTimeoutMs: 5_000 } });
    const first = made.forward(request(to));
    await upstream.arrived(1);
    const second = made.forward(request(to));
    const third = await made.forward(request(to));
    expect(third).to.include({
      kind: "failed",
      executed: "no",
      slug: "queue-full",
      proxyStatus: "connection_limit_reached",
      retryAfter: 1,
    });
    finish[0]!();
    expect(await read(await first)).to.equal("ok");
    await upstream.arrived(2);
    finish[1]!();
    expect(await read(await second)).to.equal("ok");
  });

  it("F2: a slot is held until the body has ended", async () => {
    const upstream = await fake((_request, response) => {
      response.write("begin");
    });
    const made = forwarder();
    const to = service(upstream.origin, { limits: { maxInFlight: 1, maxQueue: 0, queueTimeoutMs: 1 } });
    const first = await made.forward(request(to));
    if (first.kind !== "responded") throw new Error(first.slug);
    expect(await made.forward(request(to))).to.include({ slug: "queue-full" });
    first.body.destroy();
    await new Promise((resolve) => first.body.once("close", resolve));
    const next = await made.forward(request(to));
    expect(next.kind).to.equal("responded");
    if (next.kind === "responded") next.body.destroy();
  });

  it("a request that waits too long in the queue is refused, one that is given up leaves it", async () => {
    const upstream = await fake(() => undefined);
    const made = forwarder();
    const to = service(upstream.origin, { limits: { maxInFlight: 1, maxQueue: 5, queueTimeoutMs: 20 } });
    const hold = new AbortController();
    const first = made.forward(request(to, { signal: hold.signal }));
    await upstream.arrived(1);
    expect(await made.forward(request(to))).to.include({ slug: "queue-full", executed: "no" });
    const leaving = new AbortController();
    const waiting = made.forward(request(to, { signal: leaving.signal }));
    leaving.abort();
    expect(await waiting).to.include({ kind: "failed", aborted: true, executed: "no" });
    hold.abort();
    expect(await first).to.include({ kind: "failed", aborted: true, executed: "unknown" });
  });

  it("a request given up while it runs closes its connection", async () => {
    const upstream = await fake(() => undefined);
    const abort = new AbortController();
    const running = forwarder().forward(request(service(upstream.origin), { signal: abort.signal }));
    await upstream.arrived();
    abort.abort();
    expect(await running).to.include({ aborted: true, executed: "unknown" });
    while (!upstream.last.aborted) await new Promise((resolve) => setImmediate(resolve));
  });

  it("the breaker opens after failures in a row, lets one trial through, and closes on its success", async () => {
    let status = 503;
    const upstream = await fake((_request, response) => response.writeHead(status).end());
    let now = 1_000;
    const made = forwarder({ clock: { monotonic: () => asMonotonicMs(now) } });
    const to = service(upstream.origin, { breaker: { failures: 3, openMs: 2_000 } });
    for (let i = 0; i < 3; i += 1) await read(await made.forward(request(to)));
    const refused = await made.forward(request(to));
    expect(refused).to.include({ kind: "failed", slug: "circuit-open", executed: "no", retryAfter: 2 });
    expect(upstream.requests).to.have.lengthOf(3);
    expect(made.traffic()[0]?.breaker).to.equal("open");
    now += 2_000;
    expect(made.traffic()[0]?.breaker).to.equal("half-open");
    await read(await made.forward(request(to)));
    expect(await made.forward(request(to))).to.include({ slug: "circuit-open" });
    now += 2_000;
    status = 200;
    const [trial, beside] = await Promise.all([made.forward(request(to)), made.forward(request(to))]);
    await read(trial);
    expect(beside).to.include({ slug: "circuit-open" });
    for (let i = 0; i < 3; i += 1) await read(await made.forward(request(to)));
  });

  it("one caller's cut requests stop that caller, and the same from as many callers stop all", async () => {
    const upstream = await fake((_request, response) => {
      if (response.req.url === "/cut") response.destroy();
      else response.end("ok");
    });
    const made = forwarder({ clock: { monotonic: () => asMonotonicMs(1_000) } });
    const to = service(upstream.origin, { breaker: { failures: 3, openMs: 60_000 } });
    const sent = (holder: string, path: string) =>
      made.forward(
        request(to, {
          method: "POST",
          head: { method: "POST", path, query: null, headers: [] },
          client: { address: "198.51.100.9", holder, protocol: "http", host: "a" },
        }),
      );
    for (let i = 0; i < 7; i += 1) await sent("a", "/cut");
    expect(upstream.requests, "its circuit is open after the third").to.have.lengthOf(3);
    expect(await sent("a", "/")).to.include({ slug: "circuit-open", executed: "no" });
    expect(await read(await sent("b", "/"))).to.equal("ok");
    for (const holder of ["c", "d", "e"]) await sent(holder, "/cut");
    expect(await sent("b", "/")).to.include({ slug: "circuit-open", executed: "no" });
  });

  it("a streamed body longer than allowed fails as payload-too-large and never arrives whole", async () => {
    const upstream = await fake();
    const outcome = await forwarder().forward(
      request(service(upstream.origin), {
        method: "POST",
        body: Readable.from([Buffer.from("12345"), Buffer.from("6789")]),
        maxBodyBytes: 8,
      }),
    );
    expect(outcome).to.include({ kind: "failed", slug: "payload-too-large" });
    expect(upstream.requests.some(({ ended }) => ended)).to.equal(false);
  });

  it("a streamed body that was never read is sent to the next instance, one that was begun is not", async () => {
    const alive = await fake();
    const to = service([await deadOrigin(), alive.origin]);
    const outcome = await forwarder({ random: () => 0 }).forward(
      request(to, { method: "POST", body: Readable.from([Buffer.from("stream")]) }),
    );
    expect(await read(outcome)).to.equal("ok");
    expect(alive.last.body.toString()).to.equal("stream");
  });

  it("what this node sees of a service can be shown", async () => {
    const upstream = await fake(() => undefined);
    const made = forwarder();
    const abort = new AbortController();
    const running = made.forward(request(service(upstream.origin), { signal: abort.signal }));
    await upstream.arrived();
    const [shown] = made.traffic();
    expect(shown).to.deep.include({ service: "up", inFlight: 1, queued: 0, breaker: "closed", panic: false });
    expect(shown?.instances[0]).to.deep.include({ origin: upstream.origin, inFlight: 1, ejected: false });
    abort.abort();
    await running;
    expect(made.traffic()[0]?.inFlight).to.equal(0);
  });

  it("an instance that fails again and again is left out for a while", async () => {
    const [bad, good] = [await fake((_request, response) => response.writeHead(502).end()), await fake()];
    const ejected: string[] = [];
    const onEjected = (name: string, instance: string): void => void ejected.push(`${name} ${instance}`);
    const made = forwarder({ clock: { monotonic: () => asMonotonicMs(1_000) }, onEjected });
    const to = service([bad.origin, good.origin]);
    for (let i = 0; i < 60; i += 1) await read(await made.forward(request(to)));
    const seen = bad.requests.length;
    expect(made.traffic()[0]?.instances.find(({ origin }) => origin === bad.origin)?.ejected).to.equal(true);
    expect(ejected).to.deep.equal([`up ${to.instances[0]!.name}`]);
    for (let i = 0; i < 10; i += 1) await read(await made.forward(request(to)));
    expect(bad.requests.length).to.equal(seen);
  });

  it("a client's broken upload does not speak against the instance", async () => {
    const upstream = await fake();
    const made = forwarder({ clock: { monotonic: () => asMonotonicMs(1_000) } });
    const to = service(upstream.origin, { breaker: { failures: 1, openMs: 60_000 } });
    const endless = new Readable({ read() {} });
    endless.push("part");
    const running = made.forward(request(to, { method: "POST", body: endless }));
    await upstream.arrived();
    endless.destroy();
    expect(await running).to.include({ kind: "failed", slug: "malformed-request" });
    expect(await read(await made.forward(request(to)))).to.equal("ok");
  });

  it("what the service tells the gateway is read and not passed on", async () => {
    const upstream = await fake((_request, response) =>
      response.writeHead(202, { "Sticky-Execution": "token", "X-Other": "1" }).end(),
    );
    const outcome = await forwarder().forward(request(service(upstream.origin)));
    if (outcome.kind !== "responded") throw new Error(outcome.slug);
    expect(outcome.own.sticky.get("sticky-execution")).to.equal("token");
    expect(outcome.headers.map(([name]) => name.toLowerCase())).to.not.include("sticky-execution");
    outcome.body.destroy();
  });

  it("a gateway's own request says nothing about a client", async () => {
    const upstream = await fake();
    await read(await forwarder().forward(request(service(upstream.origin))));
    expect(upstream.last.headers.has("x-forwarded-for")).to.equal(false);
    expect(upstream.last.headers.has("forwarded")).to.equal(false);
  });

  describe("collecting a body", () => {
    it("a body within the limit is complete, one above keeps its head and its rest", async () => {
      const upstream = await fake((_request, response) => response.end("0123456789"));
      const made = forwarder();
      const to = service(upstream.origin);
      const fits = await made.forward(request(to));
      if (fits.kind !== "responded") throw new Error(fits.slug);
      expect(await collectBody(fits.body, 10)).to.deep.include({ kind: "complete" });
      const large = await made.forward(request(to));
      if (large.kind !== "responded") throw new Error(large.slug);
      const collected = await collectBody(large.body, 4);
      if (collected.kind !== "too-large") throw new Error(collected.kind);
      const rest = await collectBody(collected.rest, 100);
      if (rest.kind !== "complete") throw new Error(rest.kind);
      expect(Buffer.concat([collected.head, rest.body]).toString()).to.equal("0123456789");
    });

    it("a body that is cut off is a failure, executed unknown", async () => {
      const upstream = await RawUpstream.start("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.");
      open.push(upstream);
      const outcome = await forwarder().forward(request(service(upstream.origin)));
      if (outcome.kind !== "responded") throw new Error(outcome.slug);
      const collected = await collectBody(outcome.body, 100, { instance: outcome.instance });
      expect(collected).to.include({
        kind: "failed",
        executed: "unknown",
        slug: "upstream-invalid-response",
      });
      expect(collected.kind === "failed" ? collected.instance?.name : null).to.equal("up-0");
    });
  });
});
