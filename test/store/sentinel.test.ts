import { asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { sleep } from "@sticky-proxy/runtime";
import { profileCheck } from "@sticky-proxy/store";
import { connectRedis, createKeys, createProcessStore, openMeta } from "@sticky-proxy/store/testing";
import { describeWithRedis, startRedis } from "@sticky-proxy/testkit";
import { startSentinel } from "../support/sentinel.ts";

describeWithRedis("the process store behind Sentinel", () => {
  it("follows a failover: claims go to the new primary, and what was there before is there still", async function () {
    this.timeout(60_000);
    const primary = await startRedis();
    const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(primary.port)] });
    const old = new Redis(primary.url);
    while (!(await old.info("replication")).includes("state=online")) await sleep(50);
    const sentinel = await startSentinel(primary.port);
    const redis = connectRedis(
      { sentinels: { name: "state", nodes: [`127.0.0.1:${sentinel.port}`] } },
      { onError: () => {} },
    );
    const asking = new Redis(sentinel.port);
    try {
      expect(await redis.ready(10_000)).to.equal(true);
      const store = createProcessStore({ redis, keys: createKeys("sp:"), partitions: 4 });
      const create = () =>
        store.create(
          {
            partition: 1,
            scope: asScope(randomBytes(16).toString("base64url")),
            fields: { service: "svc", status: "in-progress", owner: "a" },
            spans: { wakeAt: 60_000 },
            request: null,
            writeId: randomBytes(9).toString("base64url"),
          },
          { withResult: false },
        );
      const before = await create();
      if (before.kind !== "created") throw new Error(before.kind);
      await old.wait(1, 5000);
      const meta = await openMeta(redis.writes, createKeys("sp:"), { partitions: 4 });
      const warnsOf = async (profile: "standard" | "ha"): Promise<readonly string[]> => {
        const check = profileCheck({
          redis,
          keys: createKeys("sp:"),
          meta,
          profile,
          strict: false,
          wallClock: Date.now,
          confirm: null,
        });
        const { findings } = await check();
        return findings.filter(({ severity }) => severity === "warn").map(({ setting }) => setting);
      };
      expect(await warnsOf("standard"), "it may lose what it acknowledged").to.include("profile");
      expect(await warnsOf("ha")).to.not.include("profile");
      // Refused until the Sentinel knows the replica well enough.
      while ((await asking.call("SENTINEL", "FAILOVER", "state").catch(() => null)) !== "OK")
        await sleep(200);
      for (;;) {
        const [, port] = (await asking.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "state")) as string[];
        if (Number(port) === replica.port) break;
        await sleep(100);
      }
      const promoted = new Redis(replica.url);
      for (;;) {
        const after = await create().catch(() => null);
        if (after?.kind === "created") {
          const key = createKeys("sp:").process(1, after.record.scope, null);
          if ((await promoted.exists(key)) === 1 && (await promoted.role())[0] === "master") {
            expect(after.record.epoch).to.be.greaterThan(before.record.epoch);
            break;
          }
        }
        await sleep(100);
      }
      promoted.disconnect();
      expect(await redis.ready(10_000)).to.equal(true);
      expect((await store.read(before.record, { withResult: false })).record).to.deep.equal(before.record);
    } finally {
      asking.disconnect();
      old.disconnect();
      await redis.close();
      await sentinel.stop();
      await Promise.all([primary.stop(), replica.stop()]);
    }
  });
});
