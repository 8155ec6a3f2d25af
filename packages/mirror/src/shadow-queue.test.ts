import { createManualClock, createMemoryMirror, type MemoryMirror } from "@sticky-proxy/core/testing";
import { createPacer, pending } from "@sticky-proxy/core/mirror";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";
import type { Secondary, SecondaryOutcome, SecondaryRequest } from "./secondary.ts";
import { testIntent } from "@sticky-proxy/testkit";
import { expect } from "chai";
import type { ShadowJob } from "./shadow-job.ts";
import { createShadowQueue, type ShadowQueue } from "./shadow-queue.ts";

const timeouts = { connectMs: 1, firstByteMs: 1, idleMs: 1 };
const service = { name: "users", timeouts, credential: [] } as unknown as Service;
const secondary = { ...service, name: "users-v2" };
const route = { name: "GET /", process: null } as unknown as Route;
const compare = { sampleRate: 1, ttlMs: 1000, maxDifferences: 10 };

describe("the shadow queue", () => {
  let mirror: MemoryMirror;
  let sent: SecondaryRequest[];
  let respond: (request: SecondaryRequest) => SecondaryOutcome | Promise<SecondaryOutcome>;
  let isAlike: () => boolean;
  let queue: ShadowQueue;
  let comparing: number;

  const answered = (): SecondaryOutcome => ({
    kind: "answered",
    status: 200,
    headers: [],
    body: Buffer.from("x"),
    instance: "i",
    latencyMs: 2,
  });
  function job(mode: MirrorPolicy["mode"], maxLag = { entries: 10, bytes: 1000 }): ShadowJob {
    const policy = { to: "users-v2", mode, credentials: "drop", maxLag, compare } as unknown as MirrorPolicy;
    return {
      service,
      secondary,
      route,
      policy,
      head: { method: "GET", path: "/", query: null, headers: [] },
      body: new Uint8Array(0),
      orderKey: testIntent("k").orderKey,
      after: [testIntent("above").orderKey],
      idempotencyKey: null,
      primary: { status: 200, headers: [], body: Buffer.from("x"), latencyMs: 1 },
      at: 0,
    };
  }
  async function coverage() {
    return (await mirror.coverage({ since: null, service: null }))[0]!.coverage;
  }
  const stopped = (): Promise<void> => queue.stop(new AbortController().signal);

  beforeEach(() => {
    mirror = createMemoryMirror({ now: () => 1000 });
    sent = [];
    respond = answered;
    isAlike = () => true;
    comparing = 0;
    const send: Secondary["send"] = async (request) => {
      sent.push(request);
      return respond(request);
    };
    queue = createShadowQueue({
      differences: mirror,
      outbox: mirror,
      secondary: { send },
      comparer: {
        get waiting() {
          return comparing;
        },
        close: async () => undefined,
        compare: async () => ({
          comparison: {
            result: isAlike() ? "matched" : "different",
            class: "body",
            edits: [],
            truncated: false,
            masked: 0,
          },
          primary: { sha256: null, bytes: 1 },
          secondary: { sha256: null, bytes: 1 },
        }),
      },
      pacerOf: (
        (pacer) => () =>
          pacer
      )(createPacer()),
      configVersion: () => "1",
      clock: createManualClock(1000),
      sleep: async () => undefined,
      onAnswered: () => undefined,
      onOutcome: () => undefined,
      onTrouble: (error) => {
        throw error;
      },
    });
  });

  it("sends, compares and counts", async () => {
    queue.offer(job("shadow"));
    await stopped();
    expect(sent).to.have.length(1);
    expect(await coverage()).to.include({ eligible: 1, matched: 1 });
  });

  it("sheds new jobs above its limits of entries and bytes, and counts them", async () => {
    respond = () => new Promise(() => undefined);
    for (let i = 0; i < 8; i++) queue.offer(job("shadow"));
    for (let i = 0; i < 5; i++) queue.offer(job("shadow", { entries: 2, bytes: 1000 }));
    queue.offer(job("shadow", { entries: 10, bytes: 2 }));
    expect(queue.entries).to.equal(2);
    expect(queue.bytes).to.equal(2);
    await queue.tick();
    const sum = await coverage();
    expect(sum.skipped.get("shed")).to.equal(4);
    expect(pending(sum), "what is queued and under way").to.equal(10);
    await queue.tick();
    expect(pending(await coverage()), "counted once").to.equal(10);
  });

  it("sends nothing while many pairs wait for the comparer, so that the queue's limits apply", async () => {
    comparing = 16;
    for (let i = 0; i < 12; i++) queue.offer(job("shadow"));
    expect(sent).to.deep.equal([]);
    expect(queue.entries).to.equal(10);
    comparing = 15;
    await queue.tick();
    expect(sent).to.have.length(8);
    await stopped();
    expect((await coverage()).skipped.get("shed")).to.be.at.least(2);
  });

  it("an answer that only the request's condition explains is compared with nothing", async () => {
    isAlike = () => false;
    const given = job("dual-read");
    const head = { ...given.head, headers: [["If-None-Match", '"4"'] as const] };
    queue.offer({ ...given, head, primary: { status: 304, headers: [], body: null, latencyMs: 1 } });
    await stopped();
    expect(sent).to.have.length(1);
    expect((await coverage()).skipped.get("conditional")).to.equal(1);
    expect(await coverage()).to.include({ different: 0, race: 0 });
  });

  it("sends a copy without a response to compare with, and does not read again for it", async () => {
    queue.offer({ ...job("shadow"), primary: "asynchronous" });
    queue.offer({ ...job("shadow"), primary: "primary-unknown" });
    await stopped();
    expect(sent).to.have.length(2);
    const { skipped } = await coverage();
    expect(Object.fromEntries(skipped)).to.deep.equal({ asynchronous: 1, "primary-unknown": 1 });
  });

  it("a difference of a shadowed call is recorded at once, that of a read after reading again", async () => {
    isAlike = () => false;
    queue.offer(job("shadow"));
    queue.offer(job("dual-read"));
    await stopped();
    expect(await coverage()).to.include({ eligible: 2, different: 2 });
    // The shadowed call once; the read, then both sides again.
    expect(sent.map((request) => request.secondary.name)).to.have.members([
      "users-v2",
      "users-v2",
      "users",
      "users-v2",
    ]);
  });

  it("a read whose responses are equal when read again was a race", async () => {
    const answers = [false, true];
    isAlike = () => answers.shift()!;
    queue.offer(job("dual-read"));
    await stopped();
    expect(await coverage()).to.include({ eligible: 1, race: 1, different: 0 });
  });

  it("a read whose key always has a pending write counts as a race", async () => {
    await mirror.append(testIntent("k"), { validUntil: null });
    isAlike = () => false;
    queue.offer(job("dual-read"));
    await stopped();
    const rows = await mirror.coverage({ since: null, service: null });
    const row = rows.find(({ route: name }) => name === "GET /")!;
    expect(row.coverage).to.include({ eligible: 1, race: 1, different: 0 });
    expect(sent).to.have.length(1);
  });

  it("a read counts as a race while a parent path has an earlier pending write, and not because of a later one", async () => {
    isAlike = () => false;
    await mirror.append(testIntent("above"), { validUntil: null });
    queue.offer({ ...job("dual-read"), at: 1001 });
    queue.offer({ ...job("dual-read"), at: 1000 });
    await stopped();
    const rows = await mirror.coverage({ since: null, service: null });
    const row = rows.find(({ route: name }) => name === "GET /")!;
    expect(row.coverage).to.include({ eligible: 2, race: 1, different: 1 });
  });

  it("reading again sends the client's credentials to the primary only", async () => {
    isAlike = () => false;
    queue.offer(job("dual-read"));
    await stopped();
    const again = sent.find((request) => request.secondary.name === "users")!;
    expect(again.policy.credentials).to.equal("forward");
    expect(sent[0]!.policy.credentials).to.equal("drop");
  });

  it("a failed copy is recorded, and a stopped queue counts its unsent jobs", async () => {
    respond = () => ({
      kind: "failed",
      failure: { kind: "no-answer", error: "connection_refused", timedOut: false },
      instance: null,
      latencyMs: 1,
      aborted: false,
    });
    queue.offer(job("shadow"));
    await stopped();
    queue.offer(job("shadow"));
    await stopped();
    const sum = await coverage();
    expect(sum).to.include({ eligible: 2, failed: 1 });
    expect(sum.skipped.get("shed")).to.equal(1);
  });
});
