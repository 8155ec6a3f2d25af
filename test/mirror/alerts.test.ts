import { setTimeout as delay } from "node:timers/promises";
import { readSigningKey, verifyWebhook } from "@sticky-proxy/protocol";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { startRecording, type Received, type RecordingBackend } from "./recording-backend.ts";

const secret = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;

interface Told {
  readonly type: string;
  readonly data: { readonly kind: string; readonly service: string | null; readonly found: string };
}

describeWithRedis("alerts of the mirror", function () {
  this.timeout(180_000);
  let primary: RecordingBackend;
  let secondary: RecordingBackend;
  let receiver: RecordingBackend;
  let mirrored: Mirrored;

  beforeEach(async () => {
    [primary, secondary, receiver] = await Promise.all([
      startRecording(),
      startRecording(),
      startRecording(),
    ]);
    const [primaryUrl, secondaryUrl] = [primary.url, secondary.url];
    mirrored = await startMirrored({
      primary: primaryUrl,
      secondary: secondaryUrl,
      routes: [{ match: { methods: ["POST", "PUT"] }, mirror: { to: "users-v2", mode: "dual-write" } }],
      sweepers: 2,
      config: {
        webhooks: { ops: { url: receiver.url, secrets: [secret], allowPrivate: true } },
        mirror: { alerts: { webhook: "ops", shortMs: 2000, minCompared: 5, chainMs: 1000 } },
      },
    });
  });
  afterEach(async () => {
    await mirrored.stop();
    await Promise.all([primary.close(), secondary.close(), receiver.close()]);
  });

  const write = async (path: string): Promise<void> => {
    const answer = await fetch(`${mirrored.cluster.url()}${path}`, {
      method: "POST",
      body: "1",
      signal: AbortSignal.timeout(60_000),
    });
    await answer.arrayBuffer();
  };
  const told = ({ body }: Received): Told => JSON.parse(body) as Told;
  const of = (kind: string): Told[] => receiver.received.map(told).filter(({ data }) => data.kind === kind);

  it("differences are told once, signed, however many there are; a receiver that failed is told again under the same id", async () => {
    let refusals = 2;
    receiver.behave = (_, response) => response.writeHead(refusals-- > 0 ? 500 : 204).end();
    secondary.behave = (_, response) => response.writeHead(200).end("another");
    let i = 0;
    await until(async () => {
      for (let n = 0; n < 5; n++) await write(`/things/${i++}`);
      return of("differences").length === 3;
    });
    // Both sweepers have looked several times more.
    for (let n = 0; n < 30; n++) {
      await write(`/things/${i++}`);
      await delay(100);
    }
    expect(of("differences").map(({ type }) => type)).to.deep.equal(Array(3).fill("mirror.alert-firing"));
    const ids = receiver.received
      .filter((one) => told(one).data.kind === "differences")
      .map(({ headers }) => headers["webhook-id"]);
    expect(new Set(ids).size).to.equal(1);
    const [first] = receiver.received;
    const verdict = verifyWebhook(
      {
        id: [first!.headers["webhook-id"] as string],
        timestamp: [first!.headers["webhook-timestamp"] as string],
        signature: [first!.headers["webhook-signature"] as string],
      },
      Buffer.from(first!.body),
      [readSigningKey(secret)!],
      Date.now(),
    );
    expect(verdict).to.have.property("valid", true);
  });

  it("a key that stands aside and a record that was changed are told, and told to be over", async () => {
    secondary.behave = (_, response) => response.writeHead(400).end();
    await write("/things/1");
    await until(async () => of("stopped").length === 1);
    expect(of("stopped")[0]!.data).to.include({ service: "users" });
    const [parked] = await mirrored.outbox.parkedKeys({ limit: 1 });
    const redis = new Redis(mirrored.cluster.redis.url);
    const records = `sp:{p${parked!.partition}}:onr`;
    const field = (await redis.hkeys(records)).find((name) => /^\d+$/.test(name))!;
    const held = (await redis.hget(records, field))!;
    await redis.hset(records, field, held.replace("users", "usurs"));
    await until(async () => of("chain").length === 1);
    await redis.hset(records, field, held);
    redis.disconnect();
    await mirrored.outbox.skip(parked!.partition, parked!.orderKey, { by: "ann", why: "known" });
    await until(async () => of("stopped").length === 2 && of("chain").length === 2);
    expect(of("stopped")[1]!.type).to.equal("mirror.alert-resolved");
    expect(of("chain")[1]!.type).to.equal("mirror.alert-resolved");
  });
});

async function until(holds: () => Promise<boolean>, ms = 120_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error("it did not come true in time");
    await delay(50);
  }
}
