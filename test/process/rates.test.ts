/** Requests a second of each caller: its proved principal, else its address; over two replicas that share one Redis. */
import { apiKeyDigest, apiKeyText, grantScopes, type ApiKey } from "@sticky-proxy/core/principal";
import { createRates, type Rates } from "@sticky-proxy/proxy";
import { systemClock } from "@sticky-proxy/runtime";
import {
  connectRedis,
  createKeys,
  createSharedRates,
  type RedisConnections,
} from "@sticky-proxy/store/testing";
import {
  describeWithRedis,
  FakeUpstream,
  startRedis,
  uniquePrefix,
  type TestRedis,
} from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";

const keys = new Map<string, ApiKey>();
function keyOf(principal: string): string {
  const text = apiKeyText(new Uint8Array(32).fill(keys.size + 1));
  keys.set(apiKeyDigest(text), {
    id: `k${keys.size}`,
    principal,
    scopes: grantScopes,
    createdAt: 0,
    expiresAt: null,
  });
  return text;
}
const alice = keyOf("alice");
const aliceToo = keyOf("alice");
const bob = keyOf("bob");

describeWithRedis("requests of one caller", () => {
  let server: TestRedis;
  let redis: RedisConnections;
  let upstream: FakeUpstream;
  let cluster: Nodes;
  let counting: Rates[];
  let refused: number;

  before(async () => {
    server = await startRedis();
    redis = connectRedis({ url: server.url }, { onError: () => undefined });
    await redis.ready(5000);
    upstream = await FakeUpstream.start();
  });
  after(async () => {
    await redis.close();
    await server.stop();
    await upstream.close();
  });

  beforeEach(async () => {
    counting = [];
    refused = 0;
    const shared = createKeys(uniquePrefix());
    cluster = await startNodes({
      count: 2,
      apiKeys: keys,
      rates(config) {
        const { requests } = config.budgets;
        const counts = createSharedRates(redis, shared, requests.windowSeconds);
        const rates = createRates({
          policy: requests,
          add: (holder, count) => counts.add(holder, count),
          clock: systemClock,
          onRefused: () => (refused += 1),
          onFailure: (error) => {
            throw error;
          },
        });
        counting.push(rates);
        return rates;
      },
      // A window that no test outlasts.
      yaml: `
trustedProxies: [127.0.0.1/32]
budgets: { requests: { perPrincipal: 2, perAddress: 1, windowSeconds: 3600 } }
authentication: { methods: [{ apiKey: {} }] }
services:
  open:
    instances: [${upstream.origin}]
    authentication: optional
    routes:
      - match: { methods: [POST], path: /pay }
        process: { identity: key }
  closed:
    instances: [${upstream.origin}]
    authentication: required
`,
    });
  });
  afterEach(() => cluster.close());

  const from = (address: string, key?: string): Record<string, string> => ({
    "X-Forwarded-For": address,
    ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }),
  });
  const get = (path: string, headers: Record<string, string>, replica = 0): Promise<Response> =>
    fetch(cluster.url(replica) + path, { headers });

  /** Sends until one is refused. @returns the refusal, and how many came before it */
  async function untilRefused(path: string, headers: Record<string, string>, most: number, replica = 0) {
    for (let sent = 0; sent <= most; sent += 1) {
      const response = await get(path, headers, replica);
      if (response.status === 429) return { sent, response };
      await response.body?.cancel();
    }
    throw new Error(`none of ${most + 1} was refused`);
  }

  it("an address has its quota; then it is told when to come again, and others are served", async () => {
    for (let i = 0; i < 3570; i += 1) counting[0]!.count("address:198.51.100.1");
    const { sent, response } = await untilRefused("/open/a", from("198.51.100.1"), 100);
    expect(sent).to.equal(30);
    const retryAfter = Number(response.headers.get("retry-after"));
    expect(retryAfter).to.be.within(1, 3600);
    expect(response.headers.get("ratelimit-policy")).to.equal('"requests";q=3600;w=3600');
    expect(response.headers.get("ratelimit")).to.equal(`"requests";r=0;t=${retryAfter}`);
    expect(await response.json()).to.include({ type: "/_sticky/problems/rate-limited", executed: "no" });
    expect(refused).to.equal(1);
    expect((await get("/open/a", from("198.51.100.2"))).status).to.equal(200);
    expect((await get("/open/a", from("198.51.100.1", bob))).status, "a principal behind it").to.equal(200);
    expect((await get("/_sticky/v1/processes/x", from("198.51.100.1"))).status, "the process API").to.equal(
      429,
    );
  });

  it("what one replica has counted bounds the other, once both have told", async () => {
    const [first, second] = counting as [Rates, Rates];
    for (let i = 0; i < 3000; i += 1) first.count("address:203.0.113.1");
    await first.share();
    for (let i = 0; i < 500; i += 1) second.count("address:203.0.113.1");
    await second.share();
    const { sent } = await untilRefused("/open/a", from("203.0.113.1"), 200, 1);
    expect(sent).to.equal(100);
  });

  it("all credentials of a principal share its quota, whatever the address", async () => {
    for (let i = 0; i < 7198; i += 1) counting[0]!.count("principal:alice");
    expect((await get("/closed/a", from("203.0.113.2", alice))).status).to.equal(200);
    expect((await get("/closed/a", from("203.0.113.3", aliceToo))).status).to.equal(200);
    expect((await get("/closed/a", from("203.0.113.4", alice))).status).to.equal(429);
    expect((await get("/closed/a", from("203.0.113.4", bob))).status).to.equal(200);
  });

  it("credentials that are tried out, and digests that nobody verified, use up their address's", async () => {
    for (let i = 0; i < 3598; i += 1) counting[0]!.count("address:203.0.113.5");
    expect((await get("/closed/a", from("203.0.113.5", "sk_wrong"))).status).to.equal(401);
    expect((await get("/open/a", { ...from("203.0.113.5"), Cookie: "session=invented" })).status).to.equal(
      200,
    );
    expect((await get("/closed/a", from("203.0.113.5", "sk_other"))).status).to.equal(429);
    expect((await get("/open/a", { ...from("203.0.113.5"), Cookie: "session=else" })).status).to.equal(429);
  });

  it("answers of ours say what is left; a service's answer is its own", async () => {
    const ours = await get("/closed/a", from("203.0.113.6"));
    expect(ours.headers.get("ratelimit")).to.match(/^"requests";r=3599;t=\d+$/);
    const own = await get("/open/a", from("203.0.113.6"));
    expect([own.status, own.headers.get("ratelimit")]).to.deep.equal([200, null]);
    const unknown = await get("/_sticky/v1/processes/x", from("203.0.113.6"));
    expect([unknown.status, unknown.headers.get("ratelimit-policy")]).to.deep.equal([
      404,
      '"requests";q=3600;w=3600',
    ]);
  });

  it("a refused submission has begun nothing: the same key runs later", async () => {
    const pay = (address: string): Promise<Response> =>
      fetch(`${cluster.url()}/open/pay`, {
        method: "POST",
        body: "{}",
        headers: { ...from(address), "Idempotency-Key": "once" },
      });
    for (let i = 0; i < 3600; i += 1) counting[0]!.count("address:203.0.113.7");
    const seen = upstream.requests.length;
    expect((await pay("203.0.113.7")).status).to.equal(429);
    expect((await pay("203.0.113.8")).status).to.equal(200);
    expect(upstream.requests.length).to.equal(seen + 1);
  });

  it("without Redis each replica counts by itself, and refuses nobody for it", async () => {
    const away = connectRedis({ url: "redis://127.0.0.1:1" }, { onError: () => undefined });
    const counts = createSharedRates(away, createKeys(uniquePrefix()), 3600);
    expect(await counts.add("address:203.0.113.9", 5)).to.include({ requests: 5 });
    expect(await counts.add("address:203.0.113.9", 2)).to.include({ requests: 7 });
    await away.close();
  });
});
