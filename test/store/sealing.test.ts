/** What stands in Redis of requests and answers when keys are given, and what happens when they are missing or wrong. */
import { MetaMismatch, openStore, type OpenStore } from "@sticky-proxy/store";
import { describeWithRedis, FakeUpstream, sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { startMirrored, type Mirrored } from "../mirror/mirrored.ts";
import { startNodes, type Nodes } from "../support/nodes.ts";

const key = (id: string, fill: number) => ({ id, secret: Buffer.alloc(32, fill).toString("base64") });
const k1 = key("k1", 1);
const k2 = key("k2", 2);

/** Everything that can be read under this prefix, keys included. */
async function everything(redis: Redis, prefix: string): Promise<string> {
  const texts: string[] = [];
  let cursor = "0";
  do {
    const [next, names] = await redis.scan(cursor, "MATCH", `${prefix}*`, "COUNT", 500);
    for (const name of names) texts.push(name, await contentOf(redis, name));
    cursor = next;
  } while (cursor !== "0");
  return texts.join("\n");
}

async function contentOf(redis: Redis, name: string): Promise<string> {
  switch (await redis.type(name)) {
    case "string":
      return (await redis.getBuffer(name))!.toString("latin1");
    case "hash":
      return JSON.stringify(await redis.hgetall(name));
    case "list":
      return (await redis.lrange(name, 0, -1)).join("\n");
    case "set":
      return (await redis.smembers(name)).join("\n");
    case "zset":
      return (await redis.zrange(name, 0, -1)).join("\n");
    case "stream":
      return JSON.stringify(await redis.xrange(name, "-", "+"));
    default:
      return "";
  }
}

describeWithRedis("values at rest", () => {
  for (const write of [true, false]) {
    it(`of bodies, credentials, results and differences ${write ? "nothing" : "(write: false) all"} can be read`, async function () {
      this.timeout(180_000);
      const answering = (text: string) =>
        FakeUpstream.start((_request, response) => {
          response.setHeader("content-type", "application/json");
          response.setHeader("x-seen", "hush-field");
          response.end(JSON.stringify({ note: text }));
        });
      const [primary, secondary] = [await answering("hush-result"), await answering("hush-other")];
      let mirrored: Mirrored | null = null;
      try {
        mirrored = await startMirrored({
          primary: primary.origin,
          secondary: secondary.origin,
          routes: [
            {
              match: { methods: ["POST"] },
              process: { identity: "key" },
              mirror: { to: "users-v2", mode: "dual-write", orderKey: { path: "/users" } },
            },
          ],
          encryption: { keys: [k1], write },
          config: { encryption: { keys: [k1], write } },
        });
        const send = (): Promise<Response> =>
          fetch(`${mirrored!.cluster.url()}/users/7`, {
            method: "POST",
            headers: {
              "Idempotency-Key": "one",
              "Content-Type": "application/json",
              Authorization: "Bearer hush-credential",
            },
            body: '{"text":"hush-body"}',
          });
        expect(await (await send()).json()).to.deep.equal({ note: "hush-result" });
        const redis = new Redis(mirrored.cluster.redis.url);
        try {
          await mirrored.drained();
          const found = await everything(redis, "sp:");
          const told = ["hush-body", "hush-credential", "hush-result", "hush-field", "hush-other"].filter(
            (word) => found.includes(word),
          );
          if (write) expect(told).to.deep.equal([]);
          else expect(told).to.include.members(["hush-result", "hush-field", "hush-other"]);
        } finally {
          redis.disconnect();
        }
        expect(await (await send()).json()).to.deep.equal({ note: "hush-result" });
        expect(primary.requests.length).to.equal(1);
      } finally {
        await mirrored?.cluster.stop();
        await primary.close();
        await secondary.close();
      }
    });
  }

  describe("keys", () => {
    let prefix: string;
    let redis: Redis;
    let upstream: FakeUpstream;
    let opened: { store: OpenStore; nodes: Nodes }[] = [];

    before(async () => {
      redis = new Redis(await sharedRedisUrl());
      upstream = await FakeUpstream.start();
    });
    beforeEach(() => {
      prefix = uniquePrefix();
      upstream.requests.length = 0;
      upstream.respond((request, response) =>
        response.end(`hush ${String(request.body).replace("-sent", "")}`),
      );
    });
    afterEach(async () => {
      for (const { store, nodes } of opened) {
        await nodes.close();
        await store.close();
      }
      opened = [];
    });
    after(async () => {
      redis.disconnect();
      await upstream.close();
    });

    async function open(keys: readonly (typeof k1)[], write = true): Promise<OpenStore> {
      return openStore({
        target: { url: await sharedRedisUrl() },
        keyPrefix: prefix,
        partitions: 8,
        timelineLength: 100,
        waitMs: 30_000,
        onError: () => undefined,
        encryption: { keys, write },
      });
    }
    /** A replica with these keys; answers with what it says to a payment. */
    async function replica(keys: readonly (typeof k1)[], write = true) {
      const store = await open(keys, write);
      const nodes = await startNodes({
        store: { ...store.processes, watch: (scope, onChange) => store.changes.watch(scope, onChange) },
        yaml: `services: {a: {instances: [${upstream.origin}], routes: [{process: {identity: key}, retries: {attempts: 2}}]}}`,
      });
      opened.push({ store, nodes });
      return async (name: string): Promise<[status: number, body: string]> => {
        const answer = await fetch(`${nodes.url()}/a/x`, {
          method: "POST",
          headers: { "Idempotency-Key": name, Authorization: "Bearer hush-credential" },
          body: `${name}-sent`,
        });
        return [answer.status, await answer.text()];
      };
    }
    async function results(): Promise<string[]> {
      return (await redis.keys(`${prefix}{p*}:b:*`)).toSorted();
    }

    it("hide a request that may be sent again while it runs", async () => {
      let release = (): void => undefined;
      upstream.respond((_request, response) => {
        release = () => void response.end("done");
      });
      const ask = await replica([k1]);
      const answer = ask("hush-body");
      await upstream.arrived(1);
      try {
        expect(await redis.keys(`${prefix}{p*}:q:*`)).to.have.length(1);
        expect(await everything(redis, prefix))
          .to.not.include("hush-body-sent")
          .and.not.include("hush-credential");
      } finally {
        release();
      }
      expect(await answer).to.deep.equal([200, "done"]);
    });

    it("change one after the other: the first writes, all read, and what was in clear is read", async () => {
      const clear = await replica([]);
      expect(await clear("a")).to.deep.equal([200, "hush a"]);
      const reading = await replica([k1], false);
      const first = await replica([k1]);
      expect(await first("b")).to.deep.equal([200, "hush b"]);
      const second = await replica([k2, k1]);
      expect(await second("c")).to.deep.equal([200, "hush c"]);
      for (const name of ["a", "b"])
        for (const ask of [reading, first, second])
          expect(await ask(name)).to.deep.equal([200, `hush ${name}`]);
      expect(await second("c")).to.deep.equal([200, "hush c"]);
      expect(upstream.requests.length).to.equal(3);
      const found = await everything(redis, prefix);
      expect(found).to.include("hush a").and.not.include("hush b").and.not.include("hush c");
    });

    it("one that is missing: 503, nothing is sent again, nothing is dropped", async () => {
      const second = await replica([k2, k1]);
      const first = await replica([k1]);
      await second("a");
      const before = await results();
      const [status, body] = await first("a");
      expect([status, body]).to.satisfy(() => status === 503 && body.includes("store-unavailable"));
      expect(body).to.not.include("hush");
      expect(upstream.requests.length).to.equal(1);
      expect(await results()).to.deep.equal(before);
      expect(await second("a")).to.deep.equal([200, "hush a"]);
    });

    it("results of two processes that were exchanged are refused", async () => {
      const ask = await replica([k1]);
      await ask("a");
      await ask("b");
      const [one, two] = (await results()) as [string, string];
      const [from, to] = [(await redis.getBuffer(one))!, (await redis.getBuffer(two))!];
      const idOf = (payload: Buffer) => payload.subarray(0, payload.indexOf("\n") + 1);
      const behind = (payload: Buffer) => payload.subarray(payload.indexOf("\n") + 1);
      // Under the id that the other's record names, else it would be absent anyway.
      await redis.set(two, Buffer.concat([idOf(to), behind(from)]));
      await redis.set(one, Buffer.concat([idOf(from), behind(to)]));
      for (const name of ["a", "b"]) expect((await ask(name))[0]).to.equal(503);
      expect(upstream.requests.length).to.equal(2);
    });

    it("another one under the same name, or none at all, does not join", async () => {
      await (await open([k1])).close();
      for (const keys of [[key("k1", 9)], []]) {
        let refused: unknown = null;
        try {
          await (await open(keys)).close();
        } catch (error) {
          refused = error;
        }
        expect(refused).to.be.instanceOf(MetaMismatch);
        expect(String(refused)).to.include("encryption.keys").and.not.include(k1.secret);
      }
      await (await open([k2, k1], false)).close();
    });
  });
});
