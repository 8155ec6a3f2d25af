import { blankRecord, type ProcessRecord } from "@sticky-proxy/core/process";
import {
  readSigningKey,
  verifyWebhook,
  asFence,
  asScope,
  asEpochMs,
  asMonotonicMs,
} from "@sticky-proxy/protocol";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import {
  createDeliverer,
  deliverySchedule,
  nextDelivery,
  webhookId,
  type Delivery,
  type DeliveryEndpoint,
} from "./deliver-webhook.ts";
import { createOutboundCallers, type OutboundCallers } from "@sticky-proxy/upstream";

const newSecret = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const oldSecret = `whsec_${Buffer.alloc(24, 2).toString("base64")}`;
const now = asEpochMs(Date.now());
const record: ProcessRecord = {
  ...blankRecord,
  partition: 3,
  scope: asScope("abcdefghijklmnopqrstuv"),
  epoch: asFence(40),
  service: "payments",
  status: "completed",
  executed: "yes",
  httpStatus: 201,
  endedAt: now,
  notify: "shop",
  notifyState: "pending",
};

describe("the deliverer of webhooks", () => {
  let endpoint: FakeUpstream;
  let callers: OutboundCallers;
  let outcomes: string[];
  let spans: number[];
  let ticks = 0;

  beforeEach(async () => {
    endpoint = await FakeUpstream.start();
    callers = createOutboundCallers();
    outcomes = [];
    spans = [];
  });
  afterEach(async () => {
    callers.close();
    await endpoint.close();
  });

  function deliver(
    over: Partial<ProcessRecord> = {},
    config: Partial<DeliveryEndpoint> = {},
    timeoutMs = 5000,
  ): Promise<Delivery> {
    return createDeliverer({
      endpoints: () => [
        {
          name: "shop",
          url: `${endpoint.origin}/hook`,
          secrets: [newSecret, oldSecret],
          allowPrivate: true,
          ...config,
        },
      ],
      callers,
      publicUrl: () => "https://gw.example",
      random: () => 0.5,
      onOutcome: (_record, outcome, detail, ms) => {
        outcomes.push(`${outcome}: ${detail}`);
        spans.push(ms);
      },
      clock: { now: () => now, monotonic: () => asMonotonicMs((ticks += 7)) },
      timeoutMs,
    })({ ...record, ...over });
  }
  const answer = (status: number, headers: Record<string, string> = {}): void =>
    endpoint.respond((_request, response) => response.writeHead(status, headers).end());

  it("posts a thin event that names the process and carries no payload", async () => {
    expect(await deliver()).to.deep.equal({ delivered: true, retryInMs: null });
    const { method, target, headers, body } = endpoint.last;
    expect([method, target, headers.get("content-type")]).to.deep.equal([
      "POST",
      "/hook",
      "application/json",
    ]);
    expect(spans).to.deep.equal([7]); // between one look at the clock and the next
    const id = "3.abcdefghijklmnopqrstuv.14";
    expect(JSON.parse(body.toString())).to.deep.equal({
      type: "process.completed",
      timestamp: new Date(now).toISOString(),
      data: {
        id,
        service: "payments",
        status: "completed",
        executed: "yes",
        httpStatus: 201,
        problem: null,
        links: {
          self: `https://gw.example/_sticky/v1/processes/${id}`,
          result: `https://gw.example/_sticky/v1/processes/${id}/result`,
        },
      },
    });
  });

  it("signs with every key, so that a receiver with the old or the new one takes it", async () => {
    await deliver();
    const { headers, body } = endpoint.last;
    const received = Object.fromEntries(
      ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) => [name, headers.get(name)!]),
    );
    for (const secret of [newSecret, oldSecret]) {
      expect(() => new Webhook(secret).verify(body.toString(), received)).not.to.throw();
      const keys = [readSigningKey(secret)!];
      const signature = {
        id: [received["webhook-id"]!],
        timestamp: [received["webhook-timestamp"]!],
        signature: [received["webhook-signature"]!],
      };
      expect(verifyWebhook(signature, body, keys, now).valid).to.equal(true);
      expect(verifyWebhook(signature, Buffer.concat([body, Buffer.from(" ")]), keys, now).valid).to.equal(
        false,
      );
    }
    const stranger = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
    expect(() => new Webhook(stranger).verify(body.toString(), received)).to.throw();
  });

  it("keeps one webhook-id over all tries, and another for another process", async () => {
    answer(500);
    await deliver();
    await deliver({ notifyAttempt: 4, version: 9 });
    const ids = endpoint.requests.map(({ headers }) => headers.get("webhook-id"));
    expect(new Set(ids).size).to.equal(1);
    expect(webhookId({ ...record, epoch: asFence(41) })).not.to.equal(ids[0]);
  });

  it("waits by its schedule after anything but 2xx and ends when the schedule does", async () => {
    for (const status of [302, 400, 404, 500]) {
      answer(status, status === 302 ? { Location: "/else" } : {});
      expect(await deliver({ notifyAttempt: 2 })).to.deep.equal({ delivered: false, retryInMs: 120_000 });
    }
    expect(endpoint.requests.map(({ target }) => target)).to.deep.equal(["/hook", "/hook", "/hook", "/hook"]);
    expect(await deliver({ notifyAttempt: 7 })).to.deep.equal({ delivered: false, retryInMs: null });
    expect(outcomes.at(-1)).to.equal("failed: status 500");
  });

  it("waits at least as long as the endpoint asks, and a day at most", async () => {
    answer(429, { "Retry-After": "90" });
    expect(await deliver()).to.deep.equal({ delivered: false, retryInMs: 90_000 });
    answer(503, { "Retry-After": "900000" });
    expect(await deliver()).to.deep.equal({ delivered: false, retryInMs: 86_400_000 });
  });

  it("ends at once when the endpoint says 410", async () => {
    answer(410);
    expect(await deliver()).to.deep.equal({ delivered: false, retryInMs: null });
    expect(outcomes).to.deep.equal(["gone: 410"]);
  });

  it("gives an endpoint that never answers a bounded time", async () => {
    endpoint.respond(() => undefined);
    expect(await deliver({}, {}, 100)).to.deep.equal({ delivered: false, retryInMs: 5000 });
    expect(outcomes).to.deep.equal(["retry: ETIMEDOUT"]);
  });

  it("calls no private address unless the endpoint is configured so", async () => {
    expect(await deliver({}, { allowPrivate: false })).to.deep.equal({ delivered: false, retryInMs: 5000 });
    expect(outcomes).to.deep.equal(["retry: it is loopback"]);
    expect(endpoint.requests).to.have.length(0);
  });

  it("tries later what this node's configuration does not know", async () => {
    expect(await deliver({ notify: "other" })).to.deep.equal({ delivered: false, retryInMs: 5000 });
    expect(outcomes).to.deep.equal(["retry: unknown-endpoint"]);
  });

  it("always ends: every try is on the schedule or the last", () => {
    fc.assert(
      fc.property(
        fc.nat(20),
        fc.option(fc.nat(10 ** 9)),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempt, asked, random) => {
          const ms = nextDelivery(attempt, asked, random);
          if (attempt >= deliverySchedule.length) expect(ms).to.equal(null);
          else expect(ms).to.be.within(0.8 * deliverySchedule[attempt]!, 86_400_000);
        },
      ),
    );
  });
});
