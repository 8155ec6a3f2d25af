import type { Audit, AuditQuery, AuditStart } from "@sticky-proxy/core/operators";
import { createAudit } from "@sticky-proxy/store";
import { connectRedis, createKeys, type RedisConnections } from "@sticky-proxy/store/testing";
import { describeWithRedis, sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";
import { expect } from "chai";

const any: AuditQuery = { actor: null, action: null, target: null, since: null, limit: 10, cursor: null };
const start = (over: Partial<AuditStart>): AuditStart => ({
  actor: "ann",
  role: "",
  source: "direct",
  address: "",
  action: "process.cancel",
  target: "1.a.b",
  reason: "",
  requestId: "",
  ...over,
});

describeWithRedis("the audit in Redis", () => {
  let redis: RedisConnections;
  let audit: Audit;
  beforeEach(async () => {
    redis = connectRedis({ url: await sharedRedisUrl() }, { onError: () => {} });
    await redis.ready(3000);
    audit = createAudit({ redis, keys: createKeys(uniquePrefix()) });
  });
  afterEach(() => redis.close());

  it("keeps who did what, to what and why from its begin on, and the result from its end on", async () => {
    const id = await audit.begin(start({ reason: "asked for twice" }));
    expect((await audit.list(any)).items).to.deep.include.members([
      { ...start({ reason: "asked for twice" }), id, at: Number(id.split("-")[0]), result: null },
    ]);
    await audit.end(id, "cancelled");
    expect((await audit.list(any)).items[0]).to.include({ id, result: "cancelled" });
  });

  it("is read newest first, page by page, by actor, by the beginning of an action, by a part of the target", async () => {
    const ids: string[] = [];
    for (const over of [{}, { actor: "bob" }, { action: "cache.purge", target: "/x" }, { actor: "bob" }])
      ids.unshift(await audit.begin(start(over)));
    const idsOf = async (query: Partial<AuditQuery>) =>
      (await audit.list({ ...any, ...query })).items.map(({ id }) => id);
    expect(await idsOf({})).to.deep.equal(ids);
    expect(await idsOf({ actor: "bob" })).to.deep.equal([ids[0], ids[2]]);
    expect(await idsOf({ action: "cache." })).to.deep.equal([ids[1]]);
    expect(await idsOf({ target: "x" })).to.deep.equal([ids[1]]);
    const first = await audit.list({ ...any, limit: 3 });
    expect(first.items.map(({ id }) => id)).to.deep.equal(ids.slice(0, 3));
    expect(await idsOf({ cursor: first.next })).to.deep.equal(ids.slice(3));
  });
});
