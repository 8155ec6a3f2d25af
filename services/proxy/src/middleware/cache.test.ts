import { fields, Problem } from "@sticky-proxy/protocol";
import type { StoredMetadata } from "@sticky-proxy/core/cache";
import { headerValue, type HeaderList } from "@sticky-proxy/core/http";
import type { CachePolicy } from "@sticky-proxy/core/registry";
import type { UpstreamOutcome } from "@sticky-proxy/upstream";
import { nobody } from "@sticky-proxy/core/principal";
import { expect } from "chai";
import { Readable } from "node:stream";
import { answered, createCacheWorld, storeFresh, unreachable } from "../cache/testing.ts";
import type { CacheParts } from "../deps.ts";
import type { Reply } from "../reply.ts";
import type { ProxyContext } from "../state.ts";
import { createPurgeAccess } from "../cache/purge-access.ts";
import { cache } from "./cache.ts";

interface Case {
  readonly what: string;
  readonly method?: string;
  readonly headers?: HeaderList;
  readonly policy?: Partial<CachePolicy>;
  readonly answers?: readonly UpstreamOutcome[];
  /** What the steps below answer with; null: they do not answer. */
  readonly below?: Reply | Problem | null;
  readonly isCached?: boolean;
  readonly stored?: Partial<StoredMetadata>;
  /** X-Cache, Sticky-Source and Cache-Status, or what the Problem says. */
  readonly says: readonly (string | number | null)[];
  /** X-Cache of the metric. */
  readonly counted?: readonly string[];
  readonly logged?: string;
  readonly invalidated?: number;
}

const fresh: HeaderList = [["Cache-Control", "max-age=60"]];
const first: Reply = { status: 200, headers: [[fields.stickySource, "service"]], body: Buffer.from("below") };
const gateway: Reply = { ...first, headers: [[fields.stickySource, "gateway"]] };
const noStore: HeaderList = [["Cache-Control", "no-store"]];

const cases: readonly Case[] = [
  {
    what: "answers a GET with the response of the service, and says how",
    answers: [answered(200, fresh)],
    says: [200, "MISS", "service", "sticky; fwd=uri-miss; stored"],
    counted: ["MISS"],
    logged: "MISS",
  },
  {
    what: "says the key where the route wants it",
    policy: { cacheStatusKey: true },
    answers: [answered(200, [["Cache-Control", "private"]])],
    says: [200, "MISS", "service", 'sticky; fwd=uri-miss; key="KEY"; detail=private'],
    counted: ["MISS"],
    logged: "MISS private",
  },
  {
    what: "replaces X-Cache and Sticky-Source of the service and keeps its Cache-Status",
    answers: [
      answered(200, [
        ["X-Cache", "HIT"],
        ["Sticky-Source", "store"],
        ["Cache-Status", "origin; hit"],
        ["Cache-Control", "no-store"],
      ]),
    ],
    says: [200, "MISS", "service", "origin; hit, sticky; fwd=uri-miss; detail=no-store"],
    counted: ["MISS"],
    logged: "MISS no-store",
  },
  {
    what: "leaves a request with no-store to the steps below, and says why",
    headers: noStore,
    below: first,
    says: [200, "BYPASS", "service", "sticky; fwd=request; detail=no-store"],
    counted: ["BYPASS"],
    logged: "BYPASS no-store",
  },
  {
    what: "gives a response of the gateway itself no Cache-Status (RFC 9211 2)",
    headers: noStore,
    below: gateway,
    says: [200, "BYPASS", "gateway", null],
    counted: ["BYPASS"],
    logged: "BYPASS no-store",
  },
  {
    what: "says in a Problem of the steps below that the cache was bypassed",
    headers: noStore,
    below: new Problem("upstream-timeout", { executed: "unknown" }),
    says: ["upstream-timeout", "BYPASS"],
    counted: ["BYPASS"],
    logged: "BYPASS no-store",
  },
  {
    what: "is a 504 for only-if-cached when nothing is stored (RFC 9111 5.2.1.7)",
    headers: [["Cache-Control", "only-if-cached"]],
    says: ["no-stored-response", null],
    counted: ["MISS"],
    logged: "MISS only-if-cached",
  },
  {
    what: "passes on that the service is unreachable",
    answers: [unreachable()],
    says: ["upstream-unreachable", null],
  },
  {
    what: "is a 504 when a required validation gets no response (RFC 9111 5.2.2.2)",
    stored: { neverStale: true, lifetimeMs: 0 },
    answers: [unreachable()],
    says: ["no-stored-response", null],
  },
  {
    what: "keeps a problem that says more than 502 when a required validation gets no response",
    stored: { neverStale: true, lifetimeMs: 0 },
    answers: [unreachable({ slug: "upstream-timeout" })],
    says: ["upstream-timeout", null],
  },
  {
    what: "refuses a PURGE without the token",
    method: "PURGE",
    says: ["unauthorized", null],
    counted: ["purge-refused"],
  },
  {
    what: "stores the response of a POST for later GETs of its Content-Location",
    method: "POST",
    below: {
      ...first,
      headers: [...first.headers, ...fresh, ["Content-Location", "http://h/x"]],
      body: Readable.from([Buffer.from("below")], { objectMode: false }),
    },
    says: [200, "BYPASS", "service", "sticky; fwd=method; stored"],
    counted: ["BYPASS"],
    invalidated: 1,
  },
  {
    what: "invalidates what an unsafe request changed",
    method: "PUT",
    below: first,
    says: [200, "BYPASS", "service", "sticky; fwd=method"],
    counted: ["BYPASS"],
    invalidated: 1,
  },
  {
    what: "invalidates nothing for the replay of an earlier result",
    method: "PUT",
    below: { ...first, headers: [...first.headers, ["Idempotent-Replayed", "true"]] },
    says: [200, null, "service", null],
  },
  {
    what: "leaves a safe method other than GET and HEAD alone",
    method: "OPTIONS",
    below: first,
    says: [200, null, "service", null],
  },
  {
    what: "leaves a service without a cached route alone",
    isCached: false,
    below: first,
    says: [200, null, "service", null],
  },
];

/** What the step makes of one request. */
async function answer(given: Omit<Case, "what" | "says">) {
  const { method, headers, policy, answers = [], below = null, isCached = true, stored } = given;
  const world = createCacheWorld(policy);
  const tokens = [{ token: "token", services: [], peers: [] }];
  const purge = createPurgeAccess({ tokens, perSecond: 50, monotonic: () => 0 });
  const deps = { ...world.deps, purge };
  world.answers.push(...answers);
  let invalidated = 0;
  let seenBelow: HeaderList | null = null;
  const invalidation = {
    isTrusted: () => Promise.resolve(true),
    afterUnsafe: () => Promise.resolve(void invalidated++),
  };
  const { head } = world.request(headers, method);
  if (stored !== undefined) await storeFresh(world, stored);
  const route = isCached ? world.route : { ...world.route, cache: null };
  const state = {
    service: { ...world.service, routes: [route] },
    route,
    head,
    serviceHead: head,
    principal: nobody,
    client: { protocol: "http", host: "h", httpVersion: "1.1" },
    trace: [],
    gone: world.client.gone,
    logFields: {} as Record<string, unknown>,
    reply: null as Reply | null,
  };
  const step = cache({ ...deps, invalidation } as unknown as CacheParts);
  const problem = await step({ state } as unknown as ProxyContext, () => {
    if (below instanceof Problem) return Promise.reject(below);
    seenBelow = state.serviceHead.headers;
    state.reply = below;
    return Promise.resolve();
  }).then(
    () => null,
    (error: unknown) => error as Problem,
  );
  const { reply, logFields } = state;
  const field = (name: string): string | null => headerValue(reply?.headers ?? [], name);
  const status = reply?.headers.filter(([name]) => name === "Cache-Status").map(([, value]) => value) ?? [];
  const says =
    problem === null
      ? [
          reply?.status,
          field("x-cache"),
          field("sticky-source"),
          status.length === 0 ? null : status.join(", ").replace(/key="[^"]+"/, 'key="KEY"'),
        ]
      : [problem.slug, problem.options.headers?.["X-Cache"] ?? null];
  const result = { says, counted: world.observed, logged: logFields["cache"], invalidated };
  return { result, reply, seenBelow };
}

describe("the cache step", () => {
  for (const given of cases) {
    it(given.what, async () => {
      const { says, counted = [], logged, invalidated = 0 } = given;
      expect((await answer(given)).result).to.deep.equal({ says, counted, logged, invalidated });
    });
  }

  it("hides fields that are no part of the key from a request that bypasses the cache", async () => {
    const headers: HeaderList = [...noStore, ["X-Forwarded-Host", "evil"]];
    expect((await answer({ headers, below: first })).seenBelow).to.deep.equal(noStore);
  });

  for (const { what, headers, trailers } of [
    {
      what: "passes trailers to a client that asked for them",
      headers: [["TE", "trailers"]],
      trailers: true,
    },
    { what: "keeps trailers from a client that did not ask for them", headers: [], trailers: false },
  ] satisfies { what: string; headers: HeaderList; trailers: boolean }[]) {
    it(what, async () => {
      const { reply } = await answer({ headers, answers: [answered(200, [["Cache-Control", "private"]])] });
      expect(typeof reply?.trailers === "function").to.equal(trailers);
    });
  }
});
