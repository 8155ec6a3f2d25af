import { asFence, asScope, asEpochMs } from "@sticky-proxy/protocol";
import {
  blankRecord,
  unkeyedPolicy,
  type ProcessRecord,
  type StoredRequest,
  usualPollWords,
} from "@sticky-proxy/core/process";
import type { ProcessPolicy, Route, Service } from "@sticky-proxy/core/registry";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import fc from "fast-check";
import { createAddressGuard, createOutboundCaller, type OutboundCaller } from "@sticky-proxy/upstream";
import { createPoller, firstPoll, nextPoll, type PollAnswer } from "./poll.ts";

const now = asEpochMs(1_700_000_000_000);
const record: ProcessRecord = {
  ...blankRecord,
  partition: 3,
  scope: asScope("abcdefghijklmnopqrstuv"),
  epoch: asFence(40),
  service: "reports",
  status: "in-progress",
  phase: "awaiting-callback",
  startedAt: now,
  createdAt: now,
  attempt: 1,
  pollUrl: "/jobs/1?full=1",
};
const request: StoredRequest = {
  head: {
    method: "POST",
    path: "/v1/reports",
    query: null,
    headers: [
      ["Authorization", "Bearer abc"],
      ["X-Other", "1"],
    ],
  },
  key: "k 1",
  body: new Uint8Array(0),
};

describe("the poller", () => {
  let upstream: FakeUpstream;
  let stranger: FakeUpstream;
  let callers: OutboundCaller[];
  const strangers: string[] = [];
  const reasons: string[] = [];

  beforeEach(async () => {
    upstream = await FakeUpstream.start();
    stranger = await FakeUpstream.start();
    strangers.length = 0;
    reasons.length = 0;
    const guard = createAddressGuard({ allowPrivate: true });
    callers = [
      createOutboundCaller(guard),
      createOutboundCaller({ ...guard, refuses: (url) => (strangers.push(url.href), null) }),
    ];
  });
  afterEach(async () => {
    for (const caller of callers) caller.close();
    await Promise.all([upstream.close(), stranger.close()]);
  });

  function ask(
    over: Partial<ProcessRecord> = {},
    policy: Partial<ProcessPolicy> = {},
    kept: StoredRequest | null = request,
  ): Promise<PollAnswer> {
    const poll = createPoller({
      callers: { allowingPrivate: callers[0]!, guarded: callers[1]!, close: () => undefined },
      readRequest: () => Promise.resolve(kept),
      clock: { now: () => now },
      random: () => 0,
      pseudonym: "gw",
      onNoAnswer: (_record, reason) => reasons.push(reason),
    });
    const service = {
      name: "reports",
      instances: [{ name: "a", origin: upstream.origin, weight: 1 }],
      credential: ["authorization", "cookie.sid"],
    } as Partial<Service> as Service;
    const route = {
      headers: { request: new Map(), response: new Map([["x-set", "1"]]) },
      process: { ...unkeyedPolicy, pollLocation: { minMs: 500, maxMs: 4000, ...usualPollWords }, ...policy },
    } as Partial<Route> as Route;
    return poll({ ...record, ...over }, service, route);
  }

  it("asks an instance with the request's own credential", async () => {
    upstream.respond((_request, response) => response.writeHead(202, { "Retry-After": "2" }).end());
    expect(await ask()).to.deep.equal({ kind: "running", retryInMs: 2000, percent: null });
    const { method, target, headers } = upstream.last;
    expect([method, target]).to.deep.equal(["GET", "/jobs/1?full=1"]);
    expect(headers.get("authorization")).to.equal("Bearer abc");
    expect(headers.get("sticky-process-id")).to.equal("3.abcdefghijklmnopqrstuv.14");
    expect(headers.get("idempotency-key")).to.equal('"k 1"');
    expect(headers.has("x-other")).to.equal(false);
  });

  it("bounds what Retry-After asks for by the route", async () => {
    for (const [asked, expected] of [
      ["0", 500],
      ["3600", 4000],
    ] as const) {
      upstream.respond((_request, response) => response.writeHead(202, { "Retry-After": asked }).end());
      expect(await ask()).to.deep.include({ retryInMs: expected });
    }
  });

  it("takes a relative address against the path that was asked first", async () => {
    await ask({ pollUrl: "reports/7" });
    expect(upstream.last.target).to.equal("/v1/reports/7");
  });

  it("brings the result with the fields that may pass", async () => {
    upstream.respond((_request, response) => {
      response.writeHead(201, { "X-Keep": "1", "Keep-Alive": "timeout=5", "Sticky-Source": "service" });
      response.end("made");
    });
    const answer = await ask();
    if (answer.kind !== "result") throw new Error(answer.kind);
    const names = answer.response.headers.map(([name]) => name.toLowerCase());
    expect(answer.response.status).to.equal(201);
    expect(Buffer.from(answer.response.body).toString()).to.equal("made");
    expect(names).to.include.members(["x-keep", "x-set"]);
    expect(names).not.to.include.members(["keep-alive"]);
    expect(names).not.to.include.members(["sticky-source"]);
    const again = await ask();
    expect(again).to.deep.include({ kind: "result", id: answer.id });
  });

  it("follows 303 once, to the same service only", async () => {
    upstream.respond(({ target }, response) => {
      if (target.startsWith("/jobs")) response.writeHead(303, { Location: "/files/1" }).end();
      else response.writeHead(200, { "Content-Type": "application/json" }).end('{"done":false}');
    });
    const answer = await ask();
    expect(upstream.requests.map(({ target }) => target)).to.deep.equal(["/jobs/1?full=1", "/files/1"]);
    // A resource is not read for words: it is the result.
    expect(answer.kind).to.equal("result");
    upstream.respond((_request, response) => response.writeHead(303, { Location: "/jobs/2" }).end());
    expect(await ask()).to.include({ kind: "no-answer" });
    expect(reasons).to.deep.equal(["status 303"]);
  });

  it("hands a redirect to somebody else on as the result", async () => {
    const location = `${stranger.origin}/signed?x=1`;
    upstream.respond((_request, response) => response.writeHead(303, { Location: location }).end());
    const answer = await ask();
    if (answer.kind !== "result") throw new Error(answer.kind);
    expect(answer.response.status).to.equal(303);
    expect(answer.response.headers).to.deep.include(["Location", location]);
    expect(stranger.requests).to.have.length(0);
  });

  it("asks a foreign address through the guard and without the credential", async () => {
    stranger.respond((_request, response) => response.writeHead(202).end());
    expect(await ask({ pollUrl: `${stranger.origin}/op#part` })).to.include({ kind: "running" });
    expect(strangers).to.deep.equal([`${stranger.origin}/op`]);
    expect(stranger.last.headers.has("authorization")).to.equal(false);
    expect(stranger.last.headers.has("sticky-process-id")).to.equal(false);
  });

  it("does not take another host in the reference for its own service", async () => {
    await ask({ pollUrl: `//${stranger.origin.slice(7)}/x` });
    expect(upstream.requests).to.have.length(0);
    expect(strangers).to.have.length(1);
    for (const pollUrl of ["file:///etc/passwd", "http://["]) {
      expect(await ask({ pollUrl })).to.deep.equal({ kind: "unknown-work", reason: "bad-address" });
    }
    expect(reasons).to.deep.equal(["bad-address", "bad-address"]);
  });

  for (const pollUrl of ["http://127.0.0.1:1/jobs/9?x=1", "http://nobody.invalid/jobs/9?x=1"])
    it(`asks an instance where nobody can be asked at ${pollUrl}, with the credential`, async () => {
      upstream.respond((_request, response) => response.writeHead(202).end());
      expect(await ask({ pollUrl })).to.include({ kind: "running" });
      expect(upstream.last.target).to.equal("/jobs/9?x=1");
      expect(upstream.last.headers.has("authorization")).to.equal(true);
      upstream.respond((_request, response) => response.writeHead(404).end());
      expect(await ask({ pollUrl })).to.deep.equal({ kind: "unknown-work", reason: "address-unusable" });
      upstream.respond((_request, response) => response.writeHead(503).end());
      expect(await ask({ pollUrl })).to.include({ kind: "no-answer" });
    });

  it("ends a process whose JSON is larger than the route keeps, though it can be read no more", async () => {
    upstream.respond((_request, response) =>
      response
        .writeHead(200, { "Content-Type": "application/json" })
        .end(`{"status":"Succeeded","result":"${"x".repeat(200)}"}`),
    );
    const answer = await ask({}, { maxResultBytes: 100 });
    if (answer.kind !== "result") throw new Error(answer.kind);
    expect(answer.response.status).to.equal(502);
  });

  it("reads the words of the route in place of the usual ones", async () => {
    const say = (status: string) =>
      upstream.respond((_request, response) =>
        response
          .writeHead(200, { "Content-Type": "application/json" })
          .end(JSON.stringify({ status, result: 1 })),
      );
    const pollLocation = {
      minMs: 1,
      maxMs: 2,
      running: ["queued"],
      completed: ["ready"],
      failed: ["broken"],
    };
    say("Queued");
    expect(await ask({}, { pollLocation })).to.include({ kind: "running" });
    const ended = async (): Promise<[number, string]> => {
      const answer = await ask({}, { pollLocation });
      if (answer.kind !== "result") throw new Error(answer.kind);
      return [answer.response.status, Buffer.from(answer.response.body).toString()];
    };
    say("ready");
    expect(await ended()).to.deep.equal([200, "1"]);
    say("BROKEN");
    expect(await ended()).to.deep.equal([502, '{"status":"BROKEN","result":1}']);
    say("Running");
    expect(await ended()).to.deep.equal([200, '{"status":"Running","result":1}']);
  });

  it("ends a process whose result is larger than the route keeps", async () => {
    upstream.respond((_request, response) => response.end("x".repeat(101)));
    const answer = await ask({}, { maxResultBytes: 100 });
    if (answer.kind !== "result") throw new Error(answer.kind);
    expect(answer.response.status).to.equal(502);
    expect(JSON.parse(Buffer.from(answer.response.body).toString())).to.include({
      type: "/_sticky/problems/result-too-large",
      executed: "yes",
    });
  });

  it("asks again later when the service is away or in trouble", async () => {
    upstream.respond((_request, response) => response.writeHead(503, { "Retry-After": "3" }).end());
    expect(await ask()).to.deep.equal({ kind: "no-answer", retryInMs: 3000 });
    expect(reasons).to.deep.equal(["status 503"]);
    const pollUrl = `${upstream.origin}/jobs/1`;
    upstream.respond((_request, response) => response.destroy());
    expect(await ask({ pollUrl })).to.include({ kind: "no-answer", retryInMs: 500 });
  });

  describe("as a probe", () => {
    const probe = { path: "/by-key/{key}?id={id}", intervalMs: 700 };

    it("asks with id and key put in", async () => {
      upstream.respond((_request, response) => response.writeHead(202).end());
      expect(await ask({ pollUrl: probe.path }, { probe })).to.include({ kind: "running", retryInMs: 700 });
      expect(upstream.last.target).to.equal("/by-key/k%201?id=3.abcdefghijklmnopqrstuv.14");
    });

    it("takes 404 for work that the service never saw", async () => {
      upstream.respond((_request, response) => response.writeHead(404).end());
      expect(await ask({ pollUrl: probe.path }, { probe })).to.deep.equal({
        kind: "unknown-work",
        reason: "status 404",
      });
      expect(await ask()).to.include({ kind: "no-answer" });
    });

    it("asks nobody by a key that was not kept", async () => {
      expect(await ask({ pollUrl: probe.path }, { probe }, null)).to.include({ kind: "unknown-work" });
      expect(reasons).to.deep.equal(["bad-address"]);
      expect(upstream.requests).to.have.length(0);
    });
  });

  for (const [asked, retryAfterMs, ms] of [
    ["nothing", null, 200],
    ["no wait", 0, 200],
    ["less than minMs", 199, 200],
    ["a wait within them", 700, 700],
    ["more than maxMs", 3_600_000, 5000],
  ] as const)
    it(`the first poll keeps to the route's bounds when the 202 asks for ${asked}`, () => {
      expect(firstPoll({ minMs: 200, maxMs: 5000 }, retryAfterMs)).to.equal(ms);
    });

  it("never polls outside the route's bounds", () => {
    const times = fc.integer({ min: 0, max: 10 ** 9 });
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 5000 }),
        fc.nat(100_000),
        fc.option(times),
        times,
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (minMs, more, retryAfterMs, age, random) => {
          const bounds = { minMs, maxMs: minMs + more };
          const ms = nextPoll(
            bounds,
            { startedAt: asEpochMs(1000), createdAt: asEpochMs(0) },
            retryAfterMs,
            1000 + age,
            random,
          );
          expect(ms).to.be.within(minMs, bounds.maxMs);
          if (retryAfterMs !== null && retryAfterMs <= bounds.maxMs) expect(ms).to.be.at.least(retryAfterMs);
        },
      ),
    );
  });
});
