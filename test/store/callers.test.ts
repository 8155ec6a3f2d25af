/** What Redis keeps about callers: API keys, and since when the principal or the host is part of a scope. */
import type { ApiKey } from "@sticky-proxy/core/principal";
import { createApiKeyStore, createIdentitySwitches } from "@sticky-proxy/store";
import { connectRedis, createKeys, type RedisConnections } from "@sticky-proxy/store/testing";
import { describeWithRedis, startRedis, type TestRedis, uniquePrefix } from "@sticky-proxy/testkit";
import { expect } from "chai";

describeWithRedis("what is kept about callers", () => {
  let server: TestRedis;
  let redis: RedisConnections;
  before(async () => {
    server = await startRedis();
    redis = connectRedis({ url: server.url });
    await redis.ready(5000);
  });
  after(async () => {
    await redis.close();
    await server.stop();
  });

  const keyOf = (id: string): ApiKey => ({
    id,
    principal: "shop",
    scopes: ["read"],
    createdAt: 1,
    expiresAt: null,
  });

  it("API keys by their digests, with a number that rises with every change", async () => {
    const store = createApiKeyStore({ redis, keys: createKeys(uniquePrefix()) });
    expect([await store.version(), (await store.all()).size]).to.deep.equal([0, 0]);
    await store.add("digest-1", keyOf("k1"));
    await store.add("digest-2", keyOf("k2"));
    expect([...(await store.all())].toSorted()).to.deep.equal([
      ["digest-1", keyOf("k1")],
      ["digest-2", keyOf("k2")],
    ]);
    expect(await store.remove("k1")).to.deep.equal(keyOf("k1"));
    expect(await store.remove("k1")).to.equal(null);
    expect([...(await store.all()).keys()]).to.deep.equal(["digest-2"]);
    expect(await store.version()).to.equal(3);
  });

  it("a switch of a service that has had processes counts from its first note, and ends when it is taken back", async () => {
    const keys = createKeys(uniquePrefix());
    const switches = createIdentitySwitches({ redis, keys });
    await redis.writes.sadd(keys.meta("services"), "used");
    const since = await switches.note("used", "principal", true);
    expect(since).to.be.closeTo(await switches.now(), 5000);
    expect(await switches.note("used", "principal", true)).to.equal(since);
    expect(await switches.note("used", "host", false)).to.equal(null);
    expect(await switches.note("used", "principal", false)).to.equal(null);
    expect(await switches.note("used", "principal", true)).to.be.at.least(since as number);
  });

  it("a service that has never had processes has no scopes of before, then and later", async () => {
    const keys = createKeys(uniquePrefix());
    const switches = createIdentitySwitches({ redis, keys });
    expect(await switches.note("fresh", "principal", true)).to.equal(0);
    await redis.writes.sadd(keys.meta("services"), "fresh");
    expect(await switches.note("fresh", "principal", true)).to.equal(0);
  });
});
