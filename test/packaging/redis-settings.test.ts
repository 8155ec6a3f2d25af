import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect } from "chai";
import { Redis } from "ioredis";

const folder = path.join(import.meta.dirname, "../../infra/redis");
const binary = process.env.STICKY_TEST_REDIS_SERVER ?? "redis-server";

/** What each profile must at least say. */
const promised: Record<string, Record<string, string>> = {
  "dev.conf": { appendonly: "yes", appendfsync: "everysec", "maxmemory-policy": "noeviction" },
  "standard.conf": {
    appendonly: "yes",
    appendfsync: "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
    save: "",
  },
  "ha.conf": {
    appendonly: "yes",
    appendfsync: "always",
    "maxmemory-policy": "noeviction",
    "min-replicas-to-write": "1",
    save: "",
  },
};

describe("the Redis settings", () => {
  const begun: { server: ChildProcess; redis: Redis; dir: string }[] = [];

  afterEach(async () => {
    for (const { server, redis, dir } of begun.splice(0)) {
      redis.disconnect();
      if (server.kill()) await once(server, "exit");
      rmSync(dir, { recursive: true });
    }
  });

  async function startWith(file: string): Promise<Redis> {
    const dir = mkdtempSync(path.join(os.tmpdir(), "sticky-conf-"));
    const socket = path.join(dir, "redis.sock");
    const server = spawn(binary, [
      path.join(folder, file),
      "--port",
      "0",
      "--unixsocket",
      socket,
      "--dir",
      dir,
    ]);
    const redis = new Redis({ path: socket, lazyConnect: true, retryStrategy: null });
    begun.push({ server, redis, dir });
    await accepting(server);
    await redis.connect();
    return redis;
  }

  it("are one file per profile", () => {
    expect(readdirSync(folder)).to.have.members(Object.keys(promised));
  });

  for (const [file, settings] of Object.entries(promised)) {
    it(`${file}: a real Redis starts with it and has what the profile promises`, async () => {
      const redis = await startWith(file);
      for (const [name, value] of Object.entries(settings)) {
        expect(await redis.config("GET", name), name).to.deep.equal([name, value]);
      }
      const [, maxmemory] = (await redis.config("GET", "maxmemory")) as string[];
      expect(Number(maxmemory)).to.be.greaterThan(0);
    });

    it(`${file}: every setting has its reason above it`, () => {
      const blocks = readFileSync(path.join(folder, file), "utf8").trim().split("\n\n");
      for (const block of blocks) expect(block, "a comment first").to.match(/^# /);
    });
  }
});

/** Resolves when the server's log says so; rejects with the log when it ends instead. */
async function accepting(server: ChildProcess): Promise<void> {
  let log = "";
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.stdout?.on("data", (text: Buffer) => {
    log += text.toString();
    if (/ready to accept connections/i.test(log)) resolve();
  });
  server.once("error", reject);
  server.once("exit", () => reject(new Error(`Redis ended:\n${log}`)));
  await promise;
}
