import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { startRecording, type RecordingBackend } from "./recording-backend.ts";

describeWithRedis("dual-write on a route without a process", function () {
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
      routes: [
        {
          match: { methods: ["PUT"] },
          process: { identity: "key", key: "optional", waitMs: 20_000 },
          mirror: { to: "users-v2", mode: "dual-write" },
        },
        { match: { methods: ["POST"] }, mirror: { to: "users-v2", mode: "dual-write" } },
      ],
    });
  });
  afterEach(async () => {
    await mirrored.stop();
    await primary.close();
    await secondary.close();
  });

  const send = (method: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${mirrored.cluster.url()}/users`, {
      method,
      body: "{}",
      headers,
      signal: AbortSignal.timeout(30_000),
    });

  it("the client's key goes to both backends as it came", async () => {
    await send("POST", { "Idempotency-Key": '"order-1"' });
    await send("POST", { "X-Idempotency-Key": "order-2" });
    await send("POST");
    await mirrored.drained(3);
    const keysAt = ({ received }: RecordingBackend): unknown[] =>
      received.map(({ headers }) => headers["idempotency-key"] ?? headers["x-idempotency-key"]);
    expect(keysAt(primary)).to.have.members(['"order-1"', "order-2", undefined]);
    const copied = keysAt(secondary);
    expect(copied).to.include.members(['"order-1"', "order-2"]);
    const own = copied.find((key) => key !== '"order-1"' && key !== "order-2");
    expect(own, "the id that tells the copy's repeats apart").to.match(/^"\d+\./);
  });

  for (const method of ["POST", "PUT"]) {
    it(`${method}: a preference is the service's to read, and the answer is the service's`, async () => {
      const answer = await send(method, { Prefer: "respond-async" });
      expect(answer.status).to.equal(200);
      expect(answer.headers.get("sticky-source")).to.equal("service");
      expect(primary.received[0]!.headers["prefer"]).to.equal("respond-async");
    });

    it(`${method}: a pause that the service asks for is its client's to keep`, async () => {
      primary.behave = (_, response) => response.writeHead(429, { "Retry-After": "60" }).end("slow down");
      const refused = await send(method);
      expect(refused.status).to.equal(429);
      expect(await refused.text()).to.equal("slow down");
      expect((await send(method)).status).to.equal(429);
      expect(primary.received).to.have.length(2);
      await mirrored.drained(2);
      expect((await mirrored.coverage()).skipped.get("not-applicable")).to.equal(2);
    });
  }
});
