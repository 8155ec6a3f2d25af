import { EventEmitter } from "node:events";
import type { CachePolicy, MirrorPolicy, Route } from "@sticky-proxy/core/registry";
import { testRoute } from "@sticky-proxy/core/testing";
import { Problem } from "@sticky-proxy/protocol";
import { expect } from "chai";
import type { ProxyDeps } from "../deps.ts";
import type { ProxyState } from "../state.ts";
import type { SubmissionOptions } from "../submit/submission-options.ts";
import { createBodyRooms } from "../listener/body-rooms.ts";
import { readBody, readBytes } from "./read-body.ts";
import { outcomeOf, testContext, testHead, testState } from "./testing.ts";

const options = {
  rules: { policy: { callback: { inject: { json: null } } } },
} as unknown as SubmissionOptions;
const step = readBody(
  { settings: { plainBodyBytes: 8, limits: { bodyMinBytesPerSecond: 0 } } } as unknown as ProxyDeps,
  createBodyRooms(1000, () => undefined),
);

async function read(over: Partial<ProxyState>, chunks: readonly string[] = ["he", "llo"]) {
  let accepted = 0;
  const state = testState({ hasBody: true, acceptBody: () => void (accepted += 1), ...over });
  const { ctx, req } = testContext(state, chunks);
  const outcome = await outcomeOf(step, ctx);
  return { outcome, state, req, accepted };
}

describe("the step that reads the body", () => {
  describe("with a bound on the bytes in memory", () => {
    let refused = 0;
    const bounded = readBody(
      { settings: { plainBodyBytes: 100, limits: { bodyMinBytesPerSecond: 0 } } } as unknown as ProxyDeps,
      createBodyRooms(100, () => void (refused += 1)),
    );
    const state = (holder: string, declaredLength: number | null): ProxyState =>
      testState({
        hasBody: true,
        options,
        declaredLength,
        client: { ...testState().client, holder },
        route: testRoute({ maxBodyBytes: 100 }),
      });

    it("one caller's bodies leave room for another one's, and what has been answered is free again", async () => {
      let end = (): void => undefined;
      const held = new Promise<void>((resolve) => (end = resolve));
      const first = bounded(testContext(state("a", 80), ["x".repeat(80)]).ctx, () => held);
      const more = testContext(state("a", 15), ["x".repeat(15)]);
      const problem = (await outcomeOf(bounded, more.ctx)) as Problem;
      expect([problem.slug, problem.status, problem.options.close]).to.deep.equal(["over-budget", 429, true]);
      expect(refused).to.equal(1);
      expect(await outcomeOf(bounded, testContext(state("b", 15), ["x".repeat(15)]).ctx)).to.equal("next");
      end();
      await first;
      expect(await outcomeOf(bounded, testContext(state("a", 15), ["x".repeat(15)]).ctx)).to.equal("next");
    });

    it("a body of unknown length is refused when it outgrows what is left", async () => {
      const held = new Promise<void>(() => undefined);
      void bounded(testContext(state("c", 60), ["x".repeat(60)]).ctx, () => held);
      const chunked = testContext(state("d", null), ["x".repeat(20), "x".repeat(25)]);
      expect(((await outcomeOf(bounded, chunked.ctx)) as Problem).slug).to.equal("over-budget");
      expect(await outcomeOf(bounded, testContext(state("d", 30), ["x".repeat(30)]).ctx)).to.equal("next");
    });
  });

  it("a body that a thread reads counts with its working memory until that has been done", async () => {
    const size = 100_000;
    const large = readBody(
      { settings: { plainBodyBytes: size, limits: { bodyMinBytesPerSecond: 0 } } } as unknown as ProxyDeps,
      createBodyRooms(1_000_000, () => undefined),
    );
    const sent = (declaredLength: number | null) =>
      testContext(
        testState({
          hasBody: true,
          declaredLength,
          route: testRoute({ maxBodyBytes: size, bodySchema: {} as Route["bodySchema"] }),
        }),
        ["x".repeat(size)],
      );
    const until = Promise.withResolvers<void>();
    const first = sent(size);
    const entered = Promise.withResolvers<void>();
    const runs = [first, sent(null)].map(({ ctx }) =>
      large(ctx, () => {
        if (ctx === first.ctx) entered.resolve();
        return until.promise;
      }),
    );
    await entered.promise;
    await new Promise((resolve) => setImmediate(resolve));
    expect(((await outcomeOf(large, sent(size).ctx)) as Problem).slug).to.equal("over-budget");
    first.ctx.state.room!.keep(size); // validated
    expect(await outcomeOf(large, sent(size).ctx)).to.equal("next");
    until.resolve();
    await Promise.all(runs);
  });

  const shadow = { mode: "shadow" } as MirrorPolicy;
  const off = { mode: "off" } as MirrorPolicy;
  for (const { what, over, isBytes } of [
    { what: "bytes for a process", over: { options }, isBytes: true },
    {
      what: "bytes for a schema",
      over: { route: testRoute({ bodySchema: {} as Route["bodySchema"] }) },
      isBytes: true,
    },
    { what: "the stream where no policy needs the body", over: {}, isBytes: false },
    {
      what: "the stream where it is copied from the side",
      over: { route: testRoute({ mirror: shadow }) },
      isBytes: false,
    },
    {
      what: "the stream where the mirror is off",
      over: { route: testRoute({ mirror: off }) },
      isBytes: false,
    },
    { what: "the stream without a route", over: { route: null }, isBytes: false },
  ] satisfies { what: string; over: Partial<ProxyState>; isBytes: boolean }[]) {
    it(`hands on ${what}`, async () => {
      const { outcome, state, req, accepted } = await read(over);
      expect(outcome).to.equal("next");
      if (isBytes) {
        expect(String(state.body as Uint8Array)).to.equal("hello");
        expect([state.bodyLength, accepted]).to.deep.equal([5, 1]);
      } else {
        expect(state.body).to.equal(req);
        // Whoever reads the stream asks for it, so that a refusal costs the client nothing.
        expect([state.bodyLength, accepted]).to.deep.equal([null, 0]);
      }
    });
  }

  it("the bound of a process's bodies is none for a request that stays plain, unless the route gave it", async () => {
    const kept = testRoute({ maxBodyBytes: 5, boundsKeptOnly: true });
    const bodySchema = {} as Route["bodySchema"];
    const slugs = [];
    for (const over of [
      { route: kept },
      { route: kept, options },
      { route: { ...kept, bodySchema } },
      { route: testRoute({ maxBodyBytes: 5 }) },
    ]) {
      const { outcome } = await read({ declaredLength: 6, ...over }, ["hello!"]);
      slugs.push(outcome instanceof Problem ? outcome.slug : outcome);
    }
    const refused = "payload-too-large";
    expect(slugs).to.deep.equal(["next", refused, refused, refused]);
    const far = await read({ declaredLength: 9, route: kept });
    expect((far.outcome as Problem).slug).to.equal(refused);
  });

  it("hands on a request without a body untouched", async () => {
    const { outcome, state } = await read({ hasBody: false, options });
    expect([outcome, state.body, state.bodyLength]).to.deep.equal(["next", null, null]);
  });

  const cached = testRoute({ cache: {} as CachePolicy });
  const get = testHead({ method: "GET" });
  for (const { what, over, chunks, slug, accepted } of [
    {
      what: "a declared length over the route's bound, before the body is asked for",
      over: { options, declaredLength: 6, route: testRoute({ maxBodyBytes: 5 }) },
      slug: "payload-too-large",
      accepted: 0,
    },
    {
      what: "a declared length over the listener's bound without a route",
      over: { declaredLength: 9, route: null },
      slug: "payload-too-large",
      accepted: 0,
    },
    {
      what: "an undeclared body that turns out too long",
      over: { options, route: testRoute({ maxBodyBytes: 5 }) },
      chunks: ["hel", "loo"],
      slug: "payload-too-large",
      accepted: 1,
    },
    {
      what: "a GET with a body where it would enter a key",
      over: { head: get, options },
      slug: "malformed-request",
      accepted: 0,
    },
  ] satisfies {
    what: string;
    over: Partial<ProxyState>;
    chunks?: string[];
    slug: string;
    accepted: number;
  }[]) {
    it(`refuses ${what}`, async () => {
      const found = await read(over, chunks);
      expect(found.outcome).to.include({ slug });
      expect((found.outcome as Problem).options.close).to.equal(true);
      expect(found.accepted).to.equal(accepted);
    });
  }

  it("takes a body of exactly the bound", async () => {
    const { outcome } = await read({ options, declaredLength: 5, route: testRoute({ maxBodyBytes: 5 }) });
    expect(outcome).to.equal("next");
  });

  it("passes a GET with a body on a plain and on a cached route", async () => {
    expect((await read({ head: get })).outcome).to.equal("next");
    expect((await read({ head: get, route: cached })).outcome).to.equal("next");
  });

  it("ends with the reason for which the request was given up", async () => {
    const reason = new Problem("request-timeout");
    const gone = new AbortController();
    const { ctx } = testContext(testState({ hasBody: true, options, gone: gone.signal }));
    // A body that never comes.
    Object.assign(ctx, { req: Object.assign(new EventEmitter(), { socket: {}, complete: false }) });
    const outcome = outcomeOf(step, ctx);
    gone.abort(reason);
    expect(await outcome).to.equal(reason);
  });

  it("calls an upload that broke off a malformed request", async () => {
    const { outcome } = await read({ options, gone: AbortSignal.abort() });
    expect(outcome).to.include({ slug: "malformed-request" });
  });
});

describe("the body of a request to one of the gateway's own resources", () => {
  const bytes = (over: Partial<ProxyState>) =>
    readBytes(testContext(testState({ hasBody: true, ...over }), ["hello"]).ctx, 5);

  it("is read to the bound, and empty where there is none", async () => {
    expect(String(await bytes({}))).to.equal("hello");
    expect(await bytes({ hasBody: false })).to.have.length(0);
  });

  it("is refused by its declared length", async () => {
    const problem = await bytes({ declaredLength: 6 }).catch((error: unknown) => error);
    expect(problem).to.include({ slug: "payload-too-large" });
  });
});
