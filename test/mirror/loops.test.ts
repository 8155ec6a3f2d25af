import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startMirrored, type Mirrored } from "./mirrored.ts";
import { startRecording, type RecordingBackend } from "./recording-backend.ts";

const routes = (mode: string): Record<string, unknown>[] => [
  { match: { methods: ["POST"] }, mirror: { to: "users-v2", mode } },
];

describeWithRedis("mirroring and loops", function () {
  this.timeout(60_000);
  let primary: RecordingBackend;
  let secondary: RecordingBackend;
  let open: Mirrored[];

  beforeEach(async () => {
    primary = await startRecording();
    secondary = await startRecording();
    open = [];
  });
  afterEach(async () => {
    for (const mirrored of open) await mirrored.stop();
    await primary.close();
    await secondary.close();
  });

  async function gateway(
    target: string,
    config: Record<string, unknown>,
    mode = "dual-write",
  ): Promise<Mirrored> {
    const mirrored = await startMirrored({
      primary: target,
      secondary: secondary.url,
      routes: routes(mode),
      config,
    });
    open.push(mirrored);
    return mirrored;
  }
  const post = (mirrored: Mirrored, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${mirrored.cluster.url()}/users`, { method: "POST", body: "{}", headers });

  for (const mode of ["dual-write", "shadow"]) {
    it(`${mode}: a gateway behind a gateway mirrors once, marked for both backends`, async () => {
      const mirror = { secrets: [`whsec_${randomBytes(32).toString("base64")}`] };
      const inner = await gateway(primary.url, { mirror }, mode);
      const outer = await gateway(inner.cluster.url(), { mirror }, mode);
      expect((await post(outer)).status).to.equal(200);
      await outer.drained(1);
      expect(primary.received).to.have.length(1);
      expect(secondary.received).to.have.length(1);
      for (const { received } of [primary, secondary]) {
        expect(received[0]!.headers["x-dual-write-executed"]).to.equal("true");
        expect(received[0]!.headers["sticky-mirror"]).to.match(/^v1; src=/);
      }
      expect(primary.received[0]!.headers["sticky-mirror"]).to.contain("hop=2");
      expect(secondary.received[0]!.headers["sticky-mirror"]).to.contain("hop=1");
      expect((await inner.coverage()).eligible).to.equal(0);
    });
  }

  it("without a shared secret a marker counts for nothing; a trusted peer's x-dual-write-executed does", async () => {
    const inner = await gateway(primary.url, {});
    const outer = await gateway(inner.cluster.url(), {});
    await post(outer);
    await outer.drained(1);
    await inner.drained(1);
    expect(secondary.received).to.have.length(2);

    secondary.received.length = 0;
    const trusting = await gateway(primary.url, { trustedPeers: ["127.0.0.0/8"] });
    const before = await gateway(trusting.cluster.url(), {});
    await post(before);
    await before.drained(1);
    expect(secondary.received).to.have.length(1);
    expect((await trusting.coverage()).eligible).to.equal(0);
  });

  it("a client cannot switch the copying off, nor make its markers reach a backend", async () => {
    const mirrored = await gateway(primary.url, {});
    await post(mirrored, {
      "x-dual-write-executed": "true",
      "sticky-mirror": 'v1; src="me"; id="1"; hop=1; t=1; sig=:AAAA:',
    });
    await mirrored.drained(1);
    expect(secondary.received).to.have.length(1);
    expect(primary.received[0]!.headers["sticky-mirror"]).to.not.contain('src="me"');
  });

  it("a marker that was seen is not honoured again", async () => {
    const mirror = { secrets: [`whsec_${randomBytes(32).toString("base64")}`] };
    const inner = await gateway(primary.url, { mirror });
    const catcher = await startRecording();
    try {
      const catching = await gateway(catcher.url, { mirror });
      await post(catching);
      await catching.drained(1);
      const marker = String(catcher.received[0]!.headers["sticky-mirror"]);
      const before = (await inner.coverage()).eligible;
      await post(inner, { "sticky-mirror": marker });
      await post(inner, { "sticky-mirror": marker });
      await delay(300);
      expect((await inner.coverage()).eligible - before).to.equal(1);
    } finally {
      await catcher.close();
    }
  });

  it("a replay and a joined client are not mirrored", async () => {
    const mirrored = await startMirrored({
      primary: primary.url,
      secondary: secondary.url,
      routes: [
        {
          match: { methods: ["POST"] },
          process: { identity: "key", waitMs: 5000 },
          mirror: { to: "users-v2", mode: "dual-write" },
        },
      ],
    });
    open.push(mirrored);
    const headers = { "Idempotency-Key": "k1" };
    const answers = await Promise.all([post(mirrored, headers), post(mirrored, headers)]);
    answers.push(await post(mirrored, headers));
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200, 200]);
    await mirrored.drained(1);
    expect(primary.received).to.have.length(1);
    expect(secondary.received).to.have.length(1);
    expect(secondary.received[0]!.headers["idempotency-key"]).to.equal("k1");
    expect(secondary.received[0]!.headers["sticky-fence"]).to.equal(
      primary.received[0]!.headers["sticky-fence"],
    );
    expect(await mirrored.coverage()).to.include({ eligible: 1, matched: 1 });
  });

  it("credentials do not reach the secondary", async () => {
    const mirrored = await gateway(primary.url, {});
    await post(mirrored, {
      authorization: "Bearer secret",
      cookie: "sid=1",
      "x-api-key": "k",
      "x-other": "kept",
    });
    await mirrored.drained(1);
    expect(primary.received[0]!.headers).to.include({ authorization: "Bearer secret" });
    expect(secondary.received[0]!.headers).to.include({ "x-other": "kept" });
    expect(secondary.received[0]!.headers).to.not.have.any.keys("authorization", "cookie", "x-api-key");
  });
});
