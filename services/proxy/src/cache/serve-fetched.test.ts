import type { CacheDecision, StoredMetadata } from "@sticky-proxy/core/cache";
import type { HeaderList } from "@sticky-proxy/core/http";
import { expect } from "chai";
import { Readable } from "node:stream";
import type { FlightHead } from "./lead-flight.ts";
import type { CacheOutcome } from "./outcome.ts";
import { forwardCollapsed } from "./serve-fetched.ts";
import { answered, createCacheWorld, storeFresh, unreachable } from "./testing.ts";

type Shared = Extract<FlightHead, { kind: "shared" }>;

const failed = unreachable();
const aborted = unreachable({ aborted: true });
const responded = answered(200, [["X-First", "hand"]]) as Shared["outcome"];

/** The outcome of a request whose stored response is stale, from the head of the fetch that it joined. */
async function outcomeFrom(
  headFrom: (stored: StoredMetadata, now: number) => FlightHead,
  {
    isLeader = false,
    standsIn = false,
    headers = [],
  }: { isLeader?: boolean; standsIn?: boolean; headers?: HeaderList } = {},
) {
  const world = createCacheWorld();
  const stored = await storeFresh(world);
  world.clock.advance(20_000);
  const found = await world.store.lookup(world.key, () => "");
  const flights: typeof world.deps.flights = {
    ...world.deps.flights,
    join: () => {
      const head = Promise.resolve(headFrom(stored, found.now));
      return { flight: { head, generation: null }, isLeader };
    },
  };
  const fallback = { onErrorStatus: standsIn, onDisconnect: standsIn, isForbidden: !standsIn };
  const decision: CacheDecision = {
    action: "validate",
    stored,
    conditions: [],
    cause: "stale",
    collapse: true,
    fallback,
  };
  const round = { ...world.client, request: world.request(headers), found, now: found.now };
  const outcome = await forwardCollapsed({ ...world.deps, flights }, round, decision, "");
  return { outcome, observed: world.observed };
}

function shared(changes: Partial<StoredMetadata> = {}, committed: Shared["committed"] = never()) {
  return (stored: StoredMetadata, now: number): FlightHead => ({
    kind: "shared",
    metadata: { ...stored, responseAt: now, ...changes },
    outcome: responded,
    body: { reader: () => Readable.from(["shared"]) } as unknown as Shared["body"],
    now,
    committed,
  });
}

function revalidated(changes: Partial<StoredMetadata> = {}, isStored = true) {
  return (stored: StoredMetadata, now: number): FlightHead => {
    const metadata = { ...stored, responseAt: now, ...changes };
    const headers: HeaderList = [...metadata.headers, ["X-Own", "of the leader"]];
    return { kind: "revalidated", metadata, headers, isStored, now };
  };
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}

function handlingOf(outcome: CacheOutcome) {
  if (outcome.kind !== "response") throw new Error(outcome.kind);
  return outcome.handling;
}

function namesOf(outcome: CacheOutcome): string[] {
  if (outcome.kind !== "response") throw new Error(outcome.kind);
  return outcome.reply.headers.map(([name]) => name);
}

const own = (): FlightHead => ({ kind: "own", outcome: responded, reason: "private", now: 0 });

describe("the outcome of a collapsed request", () => {
  for (const { what, head, kind } of [
    { what: "the key has changed since its look-up", head: { kind: "key-changed" }, kind: "key-changed" },
    { what: "collapsing does not help", head: { kind: "not-collapsed" }, kind: "not-reusable" },
    {
      what: "an error status was masked that it may not mask",
      head: { kind: "masked", status: 503 },
      kind: "not-reusable",
    },
    { what: "the fetch failed", head: { kind: "failed", failed }, kind: "failed" },
  ] as const) {
    it(`is "${kind}" when ${what}`, async () => {
      const { outcome, observed } = await outcomeFrom(() => head);
      expect(outcome.kind).to.equal(kind);
      expect(observed).to.deep.equal(kind === "key-changed" ? [] : ["collapsed"]);
    });
  }

  for (const { what, head } of [
    { what: "the response may not be shared", head: own },
    { what: "the revalidated response is of another variant", head: revalidated({ variant: "other" }) },
    { what: "the revalidated response was not stored", head: revalidated({}, false) },
  ]) {
    it(`is "not-reusable" when ${what}, but not for the request that leads the fetch`, async () => {
      expect((await outcomeFrom(head)).outcome.kind).to.equal("not-reusable");
      expect((await outcomeFrom(head, { isLeader: true })).outcome.kind).to.equal("response");
    });
  }

  it('is "other-variant" when the shared response is one, and says by which fields the own one is found', async () => {
    const head = shared({ variant: "other", varyNames: ["a"] });
    expect((await outcomeFrom(head)).outcome).to.deep.equal({ kind: "other-variant", varyNames: ["a"] });
    expect((await outcomeFrom(head, { isLeader: true })).outcome.kind).to.equal("response");
  });

  it("is a response of the store when another request's response is shared, so it is not mirrored again", async () => {
    const { outcome } = await outcomeFrom(shared());
    expect(handlingOf(outcome)).to.deep.equal({
      result: "MISS",
      source: "store",
      fwd: "stale",
      stored: true,
      collapsed: true,
    });
    expect(namesOf(outcome)).to.deep.equal(["ETag", "Age"]);
  });

  it("is a response of the service for the request that leads the fetch", async () => {
    const { outcome, observed } = await outcomeFrom(shared(), { isLeader: true });
    expect(handlingOf(outcome)).to.include({ source: "service", collapsed: false });
    expect([namesOf(outcome), observed]).to.deep.equal([["X-First"], []]);
  });

  it("has the fields that only its own 304 may carry when it leads, and none of them when it does not", async () => {
    expect(namesOf((await outcomeFrom(revalidated(), { isLeader: true })).outcome)).to.include("X-Own");
    expect(namesOf((await outcomeFrom(revalidated())).outcome)).to.not.include("X-Own");
  });

  it("is a 304 only after the commit of the shared response (C1)", async () => {
    const committed = Promise.withResolvers<"stored">();
    let outcome: CacheOutcome | null = null;
    const headers: HeaderList = [["If-None-Match", '"1"']];
    const pending = outcomeFrom(shared({}, committed.promise), { headers }).then(
      (got) => ({ outcome } = got),
    );
    await new Promise(setImmediate);
    expect(outcome).to.equal(null);
    committed.resolve("stored");
    expect(handlingOf((await pending).outcome)).to.include({ fwdStatus: 200 });
  });

  it("is the stale response when the fetch failed and stale-if-error allows it", async () => {
    const { outcome } = await outcomeFrom(() => ({ kind: "failed", failed }), { standsIn: true });
    expect(handlingOf(outcome)).to.include({ result: "STALE", hit: true });
  });

  it("is the failure when the gateway itself gave the request up, whatever is stored", async () => {
    const { outcome } = await outcomeFrom(() => ({ kind: "failed", failed: aborted }), { standsIn: true });
    expect(outcome).to.deep.equal({ kind: "failed", failed: aborted, collapsed: true, mustValidate: false });
  });

  it("says of a failure that validation was required (RFC 9111 5.2.2.2)", async () => {
    const { outcome } = await outcomeFrom(() => ({ kind: "failed", failed }), { isLeader: true });
    expect(outcome).to.deep.equal({ kind: "failed", failed, collapsed: false, mustValidate: true });
  });
});
