import { asScope } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { sleep } from "@sticky-proxy/runtime";
import { connectRedis, createKeys, createProcessStore } from "@sticky-proxy/store/testing";
import { describeWithRedis, localRedisServer, startRedis } from "@sticky-proxy/testkit";

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
            entry: { event: "created" },
          },
          { withResult: false },
        );
      const before = await create();
      if (before.kind !== "created") throw new Error(before.kind);
      await old.wait(1, 5000);
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

/** One Sentinel that decides alone. */
async function startSentinel(primaryPort: number): Promise<{ port: number; stop(): Promise<void> }> {
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  const { port } = holder.address() as AddressInfo;
  holder.close();
  await once(holder, "close");
  const dir = mkdtempSync(join(tmpdir(), "sticky-sentinel-"));
  const file = join(dir, "sentinel.conf");
  writeFileSync(
    file,
    [
      `port ${port}`,
      "bind 127.0.0.1",
      `dir ${dir}`,
      `sentinel monitor state 127.0.0.1 ${primaryPort} 1`,
      "sentinel down-after-milliseconds state 1000",
      "sentinel failover-timeout state 5000",
      "",
    ].join("\n"),
  );
  const child = spawn(localRedisServer()!, [file, "--sentinel"], { stdio: "ignore" });
  const ping = new Redis({ port, retryStrategy: () => 50, maxRetriesPerRequest: null });
  ping.on("error", () => {});
  await ping.ping();
  ping.disconnect();
  return {
    port,
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
