import { CacheUnavailable, formatCacheStatus, type StoredMetadata } from "@sticky-proxy/core/cache";
import type { HeaderList } from "@sticky-proxy/core/http";
import type { UpstreamOutcome } from "@sticky-proxy/upstream";
import { expect } from "chai";
import type { FinalOutcome } from "./outcome.ts";
import { runRounds } from "./rounds.ts";
import { answered, createCacheWorld, storeFresh, unreachable } from "./testing.ts";

type World = ReturnType<typeof createCacheWorld>;

interface Case {
  readonly what: string;
  /** Over a stored response that is fresh for ten seconds; null: nothing is stored. */
  readonly stored?: Partial<StoredMetadata> | null;
  readonly ageMs?: number;
  readonly method?: string;
  readonly headers?: HeaderList;
  readonly isTrusted?: boolean;
  readonly arrange?: (world: World) => void;
  readonly answers?: readonly UpstreamOutcome[];
  readonly outcome: string;
}

const fresh: HeaderList = [["Cache-Control", "max-age=60"]];
const stale = { ageMs: 20_000 };
const staleIfError = { staleIfErrorMs: 60_000 };
/** Requests with Cookie are not collapsed. */
const cookie: HeaderList = [["Cookie", "a=b"]];

function evictBodies({ store }: World): void {
  store.readPiece = () => Promise.resolve(null);
}

function refuse(operation: "lookup" | "readPiece"): (world: World) => void {
  return ({ store }) => {
    const away = () => Promise.reject(new CacheUnavailable("away"));
    Object.assign(store, { [operation]: away, drop: away });
  };
}

const cases: readonly Case[] = [
  { what: "a fresh stored response", outcome: "200 HIT sticky; hit; ttl=10" },
  { what: "a HEAD with a fresh stored response", method: "HEAD", outcome: "200 HIT sticky; hit; ttl=10" },
  {
    what: "nothing stored",
    stored: null,
    answers: [answered(200, fresh)],
    outcome: "200 MISS sticky; fwd=uri-miss; stored",
  },
  {
    what: "a response that may not be stored",
    stored: null,
    answers: [answered(200, [["Cache-Control", "no-store"]])],
    outcome: "200 MISS sticky; fwd=uri-miss; detail=no-store",
  },
  {
    what: "a stale response that the service confirms",
    ...stale,
    answers: [answered(304, [["ETag", '"1"'], ...fresh], "")],
    outcome: "200 REVALIDATED sticky; fwd=stale; fwd-status=304; stored",
  },
  {
    what: "a stale response that the service replaces",
    ...stale,
    answers: [answered(200, fresh)],
    outcome: "200 MISS sticky; fwd=stale; stored",
  },
  {
    what: "a stale response that max-stale accepts",
    ...stale,
    headers: [["Cache-Control", "max-stale"]],
    outcome: "200 STALE sticky; hit; ttl=-10; detail=max-stale",
  },
  {
    what: "a masked error status",
    ...stale,
    stored: staleIfError,
    answers: [answered(503)],
    outcome: "200 STALE sticky; fwd=stale; fwd-status=503; ttl=-10; detail=stale-if-error",
  },
  {
    what: "a masked lack of response",
    ...stale,
    stored: staleIfError,
    answers: [unreachable()],
    outcome: "200 STALE sticky; hit; ttl=-10; detail=stale-if-error",
  },
  {
    what: "a HEAD with a masked error status",
    ...stale,
    method: "HEAD",
    stored: staleIfError,
    answers: [answered(503)],
    outcome: "200 STALE sticky; fwd=stale; fwd-status=503; ttl=-10; detail=stale-if-error",
  },
  { what: "no response and nothing stored", stored: null, answers: [unreachable()], outcome: "failed" },
  {
    what: "no response to a required validation",
    ...stale,
    stored: { neverStale: true },
    answers: [unreachable()],
    outcome: "failed, validation is required",
  },
  {
    what: "a request with no-store",
    headers: [["Cache-Control", "no-store"]],
    answers: [],
    outcome: "bypass",
  },
  {
    what: "only-if-cached and nothing stored",
    stored: null,
    headers: [["Cache-Control", "only-if-cached"]],
    outcome: "not-cached",
  },
  {
    what: "a key whose invalidation is not done",
    isTrusted: false,
    answers: [answered(200, fresh)],
    outcome: "200 MISS sticky; fwd=uri-miss; detail=store-unavailable",
  },
  {
    what: "a store that does not answer the look-up",
    arrange: refuse("lookup"),
    answers: [answered(200, fresh)],
    outcome: "200 MISS sticky; fwd=uri-miss; detail=store-unavailable",
  },
  {
    what: "a fresh response whose body was evicted",
    arrange: evictBodies,
    answers: [answered(200, fresh)],
    outcome: "200 MISS sticky; fwd=uri-miss; stored",
  },
  {
    what: "a fresh response whose body the store does not give",
    arrange: refuse("readPiece"),
    answers: [answered(200, fresh)],
    outcome: "200 MISS sticky; fwd=uri-miss; detail=store-unavailable",
  },
  {
    what: "an error status that only an evicted response could mask, without collapsing",
    ...stale,
    headers: cookie,
    stored: staleIfError,
    arrange: evictBodies,
    answers: [answered(503), answered(503)],
    outcome: "503 MISS sticky; fwd=uri-miss; detail=no-freshness",
  },
  {
    what: "a confirmed response that the store does not give any more, without collapsing",
    ...stale,
    headers: cookie,
    arrange: refuse("readPiece"),
    answers: [answered(304, [["ETag", '"1"'], ...fresh], ""), answered(200, fresh)],
    outcome: "200 MISS sticky; fwd=uri-miss; detail=store-unavailable",
  },
];

function summaryOf(outcome: FinalOutcome): string {
  if (outcome.kind === "failed") return outcome.mustValidate ? "failed, validation is required" : "failed";
  if (outcome.kind !== "response") return outcome.kind;
  const { reply, handling } = outcome;
  const nothing = { hit: false, ttlMs: null, fwd: null, fwdStatus: null, stored: false, collapsed: false };
  const status = formatCacheStatus({ ...nothing, detail: null, key: null, ...handling });
  return `${reply.status} ${handling.result} ${status}`;
}

describe("the outcome of a cached request", () => {
  for (const { what, stored = {}, ageMs = 0, method, headers, isTrusted = true, ...given } of cases) {
    it(`is "${given.outcome}" given ${what}`, async () => {
      const world = createCacheWorld();
      if (stored !== null) await storeFresh(world, stored);
      world.clock.advance(ageMs);
      world.answers.push(...(given.answers ?? []));
      given.arrange?.(world);
      const { deps, client } = world;
      const outcome = await runRounds(deps, world.request(headers, method), client, isTrusted);
      expect(summaryOf(outcome)).to.equal(given.outcome);
      expect(world.sent.length).to.equal(given.answers?.length ?? 0);
    });
  }

  it("is the same fetch for two requests at once, and only the second is collapsed", async () => {
    const world = createCacheWorld();
    world.answers.push(answered(200, fresh));
    const both = [1, 2].map(() => runRounds(world.deps, world.request(), world.client, true));
    expect((await Promise.all(both)).map(summaryOf)).to.deep.equal([
      "200 MISS sticky; fwd=uri-miss; stored",
      "200 MISS sticky; fwd=uri-miss; stored; collapsed",
    ]);
  });

  it("is a fetch of its own for each of two requests when the response is private", async () => {
    const world = createCacheWorld();
    const own = () => answered(200, [["Cache-Control", "private"]]);
    world.answers.push(own(), own());
    const both = [1, 2].map(() => runRounds(world.deps, world.request(), world.client, true));
    expect((await Promise.all(both)).map(summaryOf)).to.deep.equal([
      "200 MISS sticky; fwd=uri-miss; detail=private",
      "200 MISS sticky; fwd=uri-miss; detail=private",
    ]);
  });

  it("is one fetch for each variant that collapsed requests select, also before the store knows of variants", async () => {
    const world = createCacheWorld();
    for (const language of ["de", "fr", "en"]) {
      world.answers.push(answered(200, [["Vary", "Accept-Language"], ...fresh], language));
    }
    const all = ["de", "fr", "fr", "en", "fr"].map((language) =>
      runRounds(world.deps, world.request([["Accept-Language", language]]), world.client, true),
    );
    const miss = "200 MISS sticky; fwd=uri-miss; stored";
    expect((await Promise.all(all)).map(summaryOf)).to.deep.equal([
      miss,
      miss,
      `${miss}; collapsed`,
      miss,
      `${miss}; collapsed`,
    ]);
    expect(world.sent.length).to.equal(3);
  });

  it("is a fetch of its own where a service names other fields in Vary each time", async () => {
    const world = createCacheWorld();
    const requests = "abcdefgh"
      .split("")
      .map((value) => world.request("123456789".split("").map((n) => [`F${n}`, value])));
    for (const [n] of [...requests, ...requests].entries())
      world.answers.push(answered(200, [["Vary", `F${n + 1}`], ...fresh]));
    const all = requests.map((request) => runRounds(world.deps, request, world.client, true));
    for (const outcome of await Promise.all(all)) expect(summaryOf(outcome)).to.match(/^200 MISS/);
    expect(world.sent.length).to.equal(requests.length);
  });

  it("is one retry for the collapsed requests of a failed fetch, whose failure all get", async () => {
    const world = createCacheWorld();
    world.answers.push(unreachable(), unreachable());
    const all = [1, 2, 3].map(() => runRounds(world.deps, world.request(), world.client, true));
    expect((await Promise.all(all)).map(summaryOf)).to.deep.equal(["failed", "failed", "failed"]);
    expect(world.sent.length).to.equal(2);
    // The failure is remembered for a second, so the next request does not reach the service.
    expect(summaryOf(await runRounds(world.deps, world.request(), world.client, true))).to.equal("failed");
    expect(world.sent.length).to.equal(2);
  });
});
