import { CacheUnavailable, type CacheDecision, type StoredMetadata } from "@sticky-proxy/core/cache";
import { expect } from "chai";
import type { ExchangePlan } from "./exchange.ts";
import { serveStaleIfError, serveStored } from "./serve-stored.ts";
import { createCacheWorld, storeFresh } from "./testing.ts";

type Serve = Extract<CacheDecision, { action: "serve" }>;
type Refreshed = Pick<ExchangePlan, "validates" | "outdates">;

/** One stored response ten seconds past its lifetime, and the background revalidations that were started. */
async function world(changes: Partial<StoredMetadata> = {}, softPurged = false) {
  const cache = createCacheWorld();
  const stored = await storeFresh(cache, changes);
  if (softPurged) await cache.store.drop(cache.key, true);
  cache.clock.advance(20_000);
  const found = await cache.store.lookup(cache.key, () => "");
  const refreshed: Refreshed[] = [];
  const flights = {
    ...cache.deps.flights,
    refresh: (...[, , , plan]: Parameters<typeof cache.deps.flights.refresh>) => void refreshed.push(plan),
  };
  const round = { ...cache.client, request: cache.request(), found, now: found.now };
  return { ...cache, deps: { ...cache.deps, flights }, stored, found, round, refreshed };
}

describe("serving a stored response", () => {
  for (const { why, refresh, handling } of [
    { why: "fresh", refresh: false, handling: { result: "HIT", detail: null } },
    { why: "max-stale", refresh: false, handling: { result: "STALE", detail: "max-stale" } },
    {
      why: "stale-while-revalidate",
      refresh: true,
      handling: { result: "STALE", detail: "stale-while-revalidate" },
    },
  ] as const) {
    it(`because of ${why} is a ${handling.result}${refresh ? " with one background revalidation" : ""}`, async () => {
      const { deps, round, stored, refreshed, observed } = await world();
      const outcome = await serveStored(deps, round, { action: "serve", stored, why, refresh });
      if (outcome.kind !== "response") throw new Error(outcome.kind);
      expect(outcome.handling).to.deep.equal({ ...handling, source: "store", hit: true, ttlMs: -10_000 });
      expect(outcome.reply.body).to.deep.equal(Buffer.from("stored"));
      expect([refreshed.length, observed]).to.deep.equal([refresh ? 1 : 0, ["use"]]);
    });
  }

  it("revalidates in the background with the validators of the stored response", async () => {
    const { deps, round, stored, refreshed } = await world();
    const decision: Serve = { action: "serve", stored, why: "stale-while-revalidate", refresh: true };
    await serveStored(deps, round, decision);
    const conditions = [["If-None-Match", '"1"']];
    expect(refreshed[0]).to.deep.include({ validates: { stored, conditions }, outdates: stored });
  });

  it("fetches in the background without conditions when the stored response has no validator", async () => {
    const { deps, round, stored, refreshed } = await world({ headers: [] });
    const decision: Serve = { action: "serve", stored, why: "stale-while-revalidate", refresh: true };
    await serveStored(deps, round, decision);
    expect(refreshed[0]).to.deep.include({ validates: null, outdates: stored });
  });

  for (const { what, read } of [
    { what: "was evicted", read: () => Promise.resolve(null) },
    { what: "is in a store that does not answer", read: () => Promise.reject(new CacheUnavailable("away")) },
  ]) {
    it(`is impossible and starts no revalidation when the body ${what}`, async () => {
      const { store, deps, round, stored, refreshed, observed } = await world();
      store.readPiece = read;
      const decision: Serve = { action: "serve", stored, why: "stale-while-revalidate", refresh: true };
      expect(await serveStored(deps, round, decision)).to.deep.equal({ kind: "unreadable" });
      expect([refreshed, observed]).to.deep.equal([[], []]);
    });
  }

  it("passes on an error that is no loss of the store", async () => {
    const { store, deps, round, stored } = await world();
    const broken = new Error("broken");
    store.readPiece = () => Promise.reject(broken);
    const decision: Serve = { action: "serve", stored, why: "fresh", refresh: false };
    expect(await serveStored(deps, round, decision).catch((error: unknown) => error)).to.equal(broken);
  });
});

describe("a stored response in place of a failure of the service", () => {
  const fallback = { onErrorStatus: true, onDisconnect: true, isForbidden: false };
  const fetch = (stored: StoredMetadata | null) =>
    ({
      action: "fetch",
      stored,
      keepConditions: false,
      fills: false,
      cause: "stale",
      collapse: true,
      fallback,
    }) as const;

  for (const { what, status, says } of [
    { what: "is a hit when there was no response", status: null, says: { hit: true } },
    {
      what: "is forwarded with the status of the masked response",
      status: 503,
      says: { fwd: "stale", fwdStatus: 503 },
    },
  ]) {
    it(`${what} (RFC 9211 2.1)`, async () => {
      const { deps, round, stored } = await world();
      const outcome = await serveStaleIfError(deps, round, fetch(stored), status);
      expect(outcome.kind === "response" && outcome.handling).to.deep.equal({
        ...says,
        result: "STALE",
        source: "store",
        ttlMs: -10_000,
        detail: "stale-if-error",
      });
    });
  }

  it("is stale since its soft purge", async () => {
    const { deps, round, stored } = await world({}, true);
    const outcome = await serveStaleIfError(deps, round, fetch(stored), null);
    expect(outcome.kind === "response" && outcome.handling.ttlMs).to.equal(-20_000);
  });

  it("does not exist when nothing is stored, or the look-up was not answered", async () => {
    const { deps, round, stored } = await world();
    const unreadable = { kind: "unreadable" };
    expect(await serveStaleIfError(deps, round, fetch(null), null)).to.deep.equal(unreadable);
    const blind = { ...round, found: null };
    expect(await serveStaleIfError(deps, blind, fetch(stored), null)).to.deep.equal(unreadable);
  });
});
