/** The world of the cache's unit tests: a memory store on a manual clock, and a service whose answers the test gives. */
import { Readable } from "node:stream";
import { defaultCachePolicy, keyOf, type StoredMetadata } from "@sticky-proxy/core/cache";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { CachePolicy } from "@sticky-proxy/core/registry";
import { createManualClock, MemoryCacheStore, testRoute, testService } from "@sticky-proxy/core/testing";
import type { Failed, UpstreamOutcome } from "@sticky-proxy/upstream";
import type { CachedRequest } from "./cached-request.ts";
import { createFlights } from "./flights.ts";
import type { Round, ServeDeps } from "./serve-stored.ts";

export function createCacheWorld(changes: Partial<CachePolicy> = {}) {
  const clock = createManualClock();
  const store = new MemoryCacheStore(clock.now);
  const policy = { ...defaultCachePolicy(), ...changes };
  const route = testRoute({ cache: policy });
  const service = testService({ routes: [route] });
  const at = { principal: "", scheme: "http", host: "h" } as const;
  const key = keyOf(service, policy, { path: "/x", query: null }, at);
  /** The heads that the service was sent, and what it answers, in order. */
  const sent: RequestHead[] = [];
  const answers: UpstreamOutcome[] = [];
  const observed: string[] = [];
  const parts = {
    store,
    forwarder: {
      forward({ head }: { head: RequestHead }): Promise<UpstreamOutcome> {
        sent.push(head);
        const answer = answers.shift();
        return answer === undefined
          ? Promise.reject(new Error("unexpected request"))
          : Promise.resolve(answer);
      },
    },
    publicOrigins: [],
    purge: null,
    observe: {
      result: (_: string, result: string) => observed.push(result),
      collapsed: () => observed.push("collapsed"),
      purgeRefused: () => observed.push("purge-refused"),
      storeError: (operation: string) => observed.push(`store-error ${operation}`),
    },
    newToken: () => "token",
    monotonic: clock.monotonic,
    sleep: () => new Promise<void>(() => {}),
  } as unknown as ServeDeps;
  const deps: ServeDeps = {
    ...parts,
    flights: createFlights(parts),
    hits: { count: () => observed.push("use"), flush: () => Promise.resolve() },
  };
  const request = (headers: HeaderList = [], method = "GET"): CachedRequest => ({
    service,
    route,
    policy,
    key,
    url: "http://h/x",
    head: { method, path: "/x", query: null, headers },
    client: { address: "127.0.0.1", protocol: "http", host: "h" } as CachedRequest["client"],
    trace: [],
    seen: null,
  });
  const client: Pick<Round, "gone" | "onInformational"> = {
    gone: new AbortController().signal,
    onInformational: () => {},
  };
  return { clock, store, key, policy, route, service, sent, answers, observed, deps, request, client };
}

export function answered(status: number, headers: HeaderList = [], content = "content"): UpstreamOutcome {
  return {
    kind: "responded",
    status,
    headers,
    own: { sticky: new Map() },
    body: Readable.from(content === "" ? [] : [Buffer.from(content)], { objectMode: false }),
    trailers: () => [],
    instance: { name: "i", origin: "http://i", weight: 1 },
    refusal: null,
    ttfbMs: 0,
  };
}

export function unreachable(changes: Partial<Failed> = {}): Failed {
  return {
    kind: "failed",
    executed: "no",
    slug: "upstream-unreachable",
    proxyStatus: "connection_refused",
    detail: "The service refused the connection.",
    instance: null,
    aborted: false,
    retryAfter: null,
    cause: null,
    ...changes,
  };
}

/** A stored response of `content`, received at `now` and fresh for ten seconds. */
export async function storeFresh(
  { store, clock, key }: Pick<ReturnType<typeof createCacheWorld>, "store" | "clock" | "key">,
  changes: Partial<StoredMetadata> = {},
  content = "stored",
): Promise<StoredMetadata> {
  const lease = { key, flight: "", token: null };
  const { generation, now } = await store.begin(lease, null);
  const writer = store.openBody(key);
  await writer.append(Buffer.from(content));
  await writer.end();
  const metadata: StoredMetadata = {
    url: "http://h/x",
    status: 200,
    headers: [["ETag", '"1"']],
    bodyId: writer.bodyId,
    bodyBytes: content.length,
    varyNames: [],
    variant: "",
    selectors: [],
    generation,
    responseAt: clock.now(),
    initialAgeMs: 0,
    lifetimeMs: 10_000,
    lifetimeFrom: "max-age",
    dateAt: now,
    noCache: false,
    neverStale: false,
    staleWhileRevalidateMs: null,
    staleIfErrorMs: null,
    sharedWithAuthorization: false,
    retainMs: 3_600_000,
    ...changes,
  };
  const word = await store.commit({ lease, metadata, replaces: null, maxVariants: 16 });
  if (word !== "stored") throw new Error(word);
  return metadata;
}
