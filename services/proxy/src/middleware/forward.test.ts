import { Problem } from "@sticky-proxy/protocol";
import type { ForwardRequest, UpstreamOutcome } from "@sticky-proxy/upstream";
import { testRoute } from "@sticky-proxy/core/testing";
import { expect } from "chai";
import type { ProxyDeps } from "../deps.ts";
import { asksForTrailers, forward, problemOf } from "./forward.ts";
import { outcomeOf, testContext, testHead, testState } from "./testing.ts";

const failure = {
  kind: "failed",
  executed: "unknown",
  slug: "upstream-timeout",
  proxyStatus: "http_response_timeout",
  detail: "The service gave no answer in time.",
  instance: null,
  aborted: false,
  retryAfter: null,
  cause: null,
} as const;

const trailers = () => [["X-Sum", "1"]] as const;
const responded = { kind: "responded", status: 201, headers: [["X-A", "b"]], body: null, trailers };

async function forwarded(over: Parameters<typeof testState>[0] = {}, answer: unknown = responded) {
  const sent: ForwardRequest[] = [];
  const deps = {
    settings: { plainBodyBytes: 500 },
    forwarder: {
      forward(request: ForwardRequest): Promise<UpstreamOutcome> {
        sent.push(request);
        return Promise.resolve(answer as UpstreamOutcome);
      },
    },
  } as unknown as ProxyDeps;
  const state = testState(over);
  const { ctx, req } = testContext(state);
  const outcome = await outcomeOf(forward(deps), ctx);
  return { outcome, state, req, sent };
}

describe("the plain path", () => {
  it("answers with the service's response, and says that it is the service's", async () => {
    const { state, outcome } = await forwarded();
    expect(outcome).to.equal("done");
    expect(state.reply).to.deep.equal({
      status: 201,
      headers: [
        ["X-A", "b"],
        ["Sticky-Source", "service"],
      ],
      body: null,
      trailers: null,
    });
  });

  it("refuses a request that no service was found for, and sends nothing", async () => {
    const { outcome, sent } = await forwarded({ service: null });
    expect(outcome).to.include({ slug: "service-not-found" });
    expect(sent).to.deep.equal([]);
  });

  it("throws a failed attempt as its problem", async () => {
    const { outcome, state } = await forwarded({}, failure);
    expect(outcome).to.include({ slug: "upstream-timeout", executed: "unknown" });
    expect(state.reply).to.equal(null);
  });

  const body = Buffer.from("x");
  for (const { what, over, limit } of [
    { what: "the route's bound", over: { body, route: testRoute({ maxBodyBytes: 7 }) }, limit: 7 },
    { what: "the listener's bound without a route", over: { body, route: null }, limit: 500 },
    { what: "no bound without a body", over: { body: null }, limit: undefined },
  ]) {
    it(`sends the body under ${what}`, async () => {
      expect((await forwarded(over)).sent[0]!.maxBodyBytes).to.equal(limit);
    });
  }

  for (const { what, method, given, complete, aborted } of [
    { what: "cancels a safe request", method: "GET", given: null, complete: true, aborted: true },
    {
      what: "finishes an unsafe request without a body",
      method: "POST",
      given: null,
      complete: false,
      aborted: false,
    },
    {
      what: "finishes an unsafe request that is complete",
      method: "POST",
      given: body,
      complete: true,
      aborted: false,
    },
    {
      what: "cancels an unsafe request that is incomplete",
      method: "POST",
      given: body,
      complete: false,
      aborted: true,
    },
  ]) {
    it(`${what} of a client that left`, async () => {
      const gone = new AbortController();
      const { sent, req } = await forwarded({
        head: testHead({ method }),
        body: given,
        gone: gone.signal,
      });
      req.complete = complete;
      gone.abort();
      expect(sent[0]!.signal.aborted).to.equal(aborted);
    });
  }

  for (const { te, httpVersion = "1.1", asks } of [
    { te: "trailers", asks: true },
    { te: "gzip, Trailers;q=1", asks: true },
    { te: "gzip", asks: false },
    { te: null, asks: false },
    { te: "trailers", httpVersion: "1.0", asks: false },
  ]) {
    it(`${asks ? "passes" : "drops"} trailers for TE: ${te ?? "(none)"} in HTTP/${httpVersion}`, async () => {
      const head = testHead({ headers: te === null ? [] : [["TE", te]] });
      const client = { ...testState().client, httpVersion } as ReturnType<typeof testState>["client"];
      expect(asksForTrailers(testState({ head, client }))).to.equal(asks);
      const { state } = await forwarded({ head, client });
      expect(state.reply!.trailers).to.equal(asks ? trailers : null);
    });
  }
});

describe("the problem of a failed attempt", () => {
  const gone = new AbortController().signal;

  it("names service, Proxy-Status and executed, and asks to come again where the service did", () => {
    const problem = problemOf({ ...failure, retryAfter: 3 }, { gone, service: testState().service });
    expect(problem.options).to.include({
      executed: "unknown",
      proxyStatus: "http_response_timeout",
      service: "payments",
    });
    expect(problem.options.headers).to.deep.equal({ "Retry-After": "3" });
  });

  it("is the reason for which the request was given up", () => {
    const reason = new Problem("request-timeout");
    const given = { gone: AbortSignal.abort(reason), service: null };
    expect(problemOf({ ...failure, aborted: true }, given)).to.equal(reason);
    expect(problemOf(failure, given)).to.not.equal(reason);
  });

  it("closes the connection after a body that was too large", () => {
    const tooLarge = problemOf({ ...failure, slug: "payload-too-large" }, { gone, service: null });
    expect(tooLarge.options.close).to.equal(true);
    expect(problemOf(failure, { gone, service: null }).options.close).to.equal(undefined);
  });
});
