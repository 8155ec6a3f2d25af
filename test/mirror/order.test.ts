import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { until } from "../support/until.ts";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { startRecording, type Behaviour, type RecordingBackend } from "./recording-backend.ts";

/** Counts ids from 1; knows only what was created. Creating takes `createMs`. */
function collection(createMs: number): Behaviour {
  const items = new Map<string, string>();
  let last = 0;
  return ({ method, path, body }, response) => {
    response.setHeader("Content-Type", "application/json");
    const id = /^\/users\/(\d+)$/.exec(path)?.[1] ?? "";
    if (method === "POST") {
      const created = String(++last);
      setTimeout(() => {
        items.set(created, body);
        response.writeHead(201).end(JSON.stringify({ id: created }));
      }, createMs);
    } else if (!items.has(id)) response.writeHead(404).end("{}");
    else if (method === "DELETE") response.writeHead(204).end(void items.delete(id));
    else {
      items.set(id, body);
      response.writeHead(200).end(JSON.stringify({ id }));
    }
  };
}

describeWithRedis("dual-write in order, without a word about it in the configuration", function () {
  this.timeout(60_000);
  let primary: RecordingBackend;
  let secondary: RecordingBackend;
  let mirrored: Mirrored;

  beforeEach(async () => {
    primary = await startRecording();
    secondary = await startRecording();
    mirrored = await startMirrored({
      primary: primary.url,
      secondary: secondary.url,
      routes: [{ match: {}, mirror: { to: "users-v2", mode: "dual-write" } }],
      proxies: 3,
      sweepers: 2,
    });
  });
  afterEach(async () => {
    await mirrored.stop();
    await primary.close();
    await secondary.close();
  });

  it("what is created through one replica and changed through another is created and changed at the secondary", async () => {
    primary.behave = collection(0);
    secondary.behave = collection(100);
    const send = (i: number, path: string, method: string): Promise<Response> =>
      fetch(mirrored.cluster.url(i) + path, {
        method,
        ...(method === "DELETE" ? {} : { body: `"${path}"` }),
      });
    for (let i = 0; i < 5; i += 1) {
      const { id } = (await (await send(i, "/users", "POST")).json()) as { id: string };
      expect((await send(i + 1, `/users/${id}`, "PUT")).status).to.equal(200);
      expect((await send(i + 2, `/users/${id}`, "DELETE")).status).to.equal(204);
    }
    await mirrored.drained(15, 40_000);
    expect(await mirrored.coverage()).to.include({ eligible: 15, matched: 15 });
    const calls = ({ received }: RecordingBackend, id: number): string[] =>
      received.filter(({ path }) => path.endsWith(`/${id}`)).map(({ method }) => method);
    for (let id = 1; id <= 5; id += 1) expect(calls(secondary, id)).to.deep.equal(calls(primary, id));
    const redis = new Redis(mirrored.cluster.redis.url);
    const left = await redis.keys("sp:{p*}:ok:*");
    redis.disconnect();
    expect(left, "no key waits for anything").to.deep.equal([]);
    expect(mirrored.cluster.sweepers.map((sweeper) => sweeper.log()).join()).to.not.contain("drain-trouble");
  });

  it("a write that the secondary refuses to take holds up what is below it, and nothing beside it", async () => {
    secondary.behave = ({ path }, response) =>
      response.writeHead(path.startsWith("/users") ? 500 : 200).end("{}");
    primary.behave = (_, response) => response.writeHead(200).end("{}");
    for (const path of ["/users", "/users/1", "/orders/1"]) {
      await fetch(mirrored.cluster.url() + path, { method: "PUT", body: "{}" });
    }
    await until(async () => (await mirrored.coverage()).matched === 1);
    await until(() => secondary.received.filter(({ path }) => path === "/users").length >= 2);
    const paths = new Set(secondary.received.map(({ path }) => path));
    expect([...paths]).to.have.members(["/users", "/orders/1"]);
  });
});
