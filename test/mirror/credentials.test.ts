import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { until } from "../support/until.ts";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { echo, startRecording, type RecordingBackend } from "./recording-backend.ts";

const mirror = { to: "users-v2", mode: "dual-write" };
const credentials = { Authorization: "Bearer hush-1", Cookie: "sid=hush-2", "X-Api-Key": "hush-3" };

describeWithRedis("credentials of requests that are copied", function () {
  this.timeout(60_000);
  let primary: RecordingBackend;
  let secondary: RecordingBackend;
  let mirrored: Mirrored;
  let redis: Redis;

  beforeEach(async () => {
    primary = await startRecording();
    secondary = await startRecording();
    mirrored = await startMirrored({
      primary: primary.url,
      secondary: secondary.url,
      secondaryConfig: { fields: { set: { Authorization: "Bearer second" } } },
      routes: [
        { match: { path: "/keyed" }, process: { identity: "key", waitMs: 20_000 }, mirror },
        { match: { path: "/forced" }, process: { identity: "request", waitMs: 20_000 }, mirror },
        { match: {}, mirror },
      ],
    });
    redis = new Redis(mirrored.cluster.redis.url);
  });
  afterEach(async () => {
    redis.disconnect();
    await mirrored.stop();
    await primary.close();
    await secondary.close();
  });

  const send = (path: string): Promise<Response> =>
    fetch(mirrored.cluster.url() + path, {
      method: "POST",
      body: '{"a":1}',
      headers: { ...credentials, "Idempotency-Key": `"${path}"` },
    });
  /** The requests at rest. */
  async function requests(): Promise<string[]> {
    const keys = await redis.keys("sp:{p*}:q:*");
    return Promise.all(keys.map(async (key) => (await redis.get(key)) ?? ""));
  }

  for (const path of ["/plain", "/keyed/own"]) {
    it(`${path}: the second backend gets its own credential with a copy, and the first one the client's`, async () => {
      await (await send(path)).arrayBuffer();
      await until(() => secondary.received.length === 1);
      expect(secondary.received[0]!.headers).to.include({ authorization: "Bearer second" });
      expect(JSON.stringify(secondary.received[0]!.headers)).to.not.contain("hush");
      expect(primary.received[0]!.headers).to.include({ authorization: "Bearer hush-1" });
    });
  }

  for (const path of ["/plain", "/keyed/1"]) {
    it(`${path}: are not at rest for a copy, from the dispatch on; once it is made the request is gone`, async () => {
      let answerNow = (): void => undefined;
      primary.behave = (request, response) => {
        answerNow = () => echo(request, response);
      };
      secondary.behave = (_, response) => response.writeHead(500).end();
      const answer = send(path);
      await until(() => primary.received.length === 1);
      await until(async () => (await requests()).length === 1); // of a plain request it is noted beside the dispatch
      const during = await requests();
      answerNow();
      expect((await answer).status).to.equal(200);
      await until(() => secondary.received.length >= 2);
      for (const kept of [during, await requests()]) {
        expect(kept).to.have.length(1);
        expect(kept[0]).to.contain('{"a":1}').and.not.contain("hush");
      }
      expect(primary.received[0]!.headers).to.include({
        authorization: "Bearer hush-1",
        cookie: "sid=hush-2",
      });

      secondary.behave = echo;
      await mirrored.drained(1);
      expect(secondary.received.at(-1)!.body).to.equal('{"a":1}');
      expect(await requests()).to.deep.equal([]);
    });
  }

  it("stay where the route may send the request again itself", async () => {
    expect((await send("/forced")).status).to.equal(200);
    await mirrored.drained(1);
    expect((await requests()).join()).to.contain("hush-1");
    const again = await fetch(`${mirrored.cluster.url()}/forced`, {
      method: "POST",
      body: '{"a":1}',
      headers: { ...credentials, "Idempotency-Key": '"/forced"', "Sticky-Force": "true" },
    });
    expect(again.status).to.equal(200);
    await mirrored.drained(2);
    expect(JSON.stringify(secondary.received.map(({ headers }) => headers))).to.not.contain("hush");
  });
});
