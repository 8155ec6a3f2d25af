import { FakeUpstream, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { openStore } from "@sticky-proxy/store";
import { expect } from "chai";
import { Redis } from "ioredis";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { until } from "../support/until.ts";

/** Redis answers, but will not do it: every refusal is 503, and none is followed by a call of the service. */
describe("a Redis that refuses", () => {
  let redis: TestRedis;
  let admin: Redis;
  let store: Awaited<ReturnType<typeof openStore>>;
  let upstream: FakeUpstream;
  let nodes: Nodes;

  before(async () => {
    redis = await startRedis();
    admin = new Redis(redis.url);
    store = await openStore({
      target: { url: redis.url },
      keyPrefix: "sp:",
      partitions: 64,
      timelineLength: 2000,
      waitMs: 2000,
      onError: () => undefined,
    });
    upstream = await FakeUpstream.start();
    nodes = await startNodes({
      store: { ...store.processes, watch: (scope, onChange) => store.changes.watch(scope, onChange) },
      yaml: `services: { s: { instances: [${upstream.origin}], match: { path: / }, routes: [{ match: { methods: [POST] }, process: { identity: key } }] } }`,
    });
  });

  after(async () => {
    await nodes.close();
    await upstream.close();
    await store.close();
    admin.disconnect();
    await redis.stop();
  });

  const pay = (key: string): Promise<Response> =>
    fetch(`${nodes.url()}/x`, { method: "POST", headers: { "Idempotency-Key": key }, body: "{}" });

  for (const [what, begin, end] of [
    ["is out of memory", [["config", "set", "maxmemory", "1"]], [["config", "set", "maxmemory", "0"]]],
    ["became a read-only replica", [["replicaof", "127.0.0.1", "1"]], [["replicaof", "no", "one"]]],
    [
      "has lost its primary",
      [
        ["config", "set", "replica-serve-stale-data", "no"],
        ["replicaof", "127.0.0.1", "1"],
      ],
      [["replicaof", "no", "one"]],
    ],
  ] as const) {
    it(`because it ${what}: 503, executed no, nothing sent; plain requests go on, and the key runs once later`, async () => {
      upstream.requests.length = 0;
      for (const command of begin) await admin.call(...(command as unknown as [string]));
      const refused = await pay(what);
      expect(refused.status).to.equal(503);
      expect(refused.headers.get("retry-after")).to.equal("1");
      expect(await refused.json()).to.include({
        type: "/_sticky/problems/store-unavailable",
        executed: "no",
      });
      expect(upstream.requests).to.have.lengthOf(0);
      expect((await fetch(`${nodes.url()}/plain`)).status).to.equal(200);
      for (const command of end) await admin.call(...(command as unknown as [string]));
      // The node leaves the connection that refused and makes another one.
      await until(async () => (await pay(what)).status === 200);
      expect((await pay(what)).headers.get("idempotent-replayed")).to.equal("true");
      expect(upstream.requests.map(({ target }) => target)).to.deep.equal(["/plain", "/x"]);
    });
  }
});
