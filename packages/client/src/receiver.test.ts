import { randomBytes } from "node:crypto";
import { expect } from "chai";
import { Webhook } from "standardwebhooks";
import { isProblem, UnexpectedResponseError } from "./errors.ts";
import { FakeGateway } from "./fake-gateway.ts";
import {
  acceptedHeaders,
  createReceiver,
  readExecution,
  type Execution,
  type Receiver,
  type ReceiverOptions,
} from "./receiver.ts";

const secret = `whsec_${randomBytes(32).toString("base64")}`;

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("the receiver", () => {
  let gateway: FakeGateway;
  let execution: Execution;
  const receiver = (options: ReceiverOptions = {}): Receiver =>
    createReceiver({ ...options, retry: { minMs: 1, maxMs: 5, ...options.retry } });

  beforeEach(async () => {
    gateway = await new FakeGateway().start();
    const { id } = gateway.create("order-1").view;
    execution = readExecution(gateway.dispatchFields(id))!;
  });
  afterEach(() => gateway.stop());

  const stored = (): { status: number; type: string | undefined; body: string } => {
    const { status, headers, body } = gateway.processes.get(execution.processId)!.result!;
    return { status, type: headers["content-type"], body };
  };

  it("reads an execution from header fields in any of the supported forms", () => {
    const headers = gateway.dispatchFields(execution.processId);
    expect(execution).to.deep.equal({
      processId: execution.processId,
      idempotencyKey: "order-1",
      attempt: 1,
      fence: 1_763_712_000_000_001,
      token: headers["Sticky-Execution"],
      callbackUrl: `${gateway.url}/_sticky/v1/executions/${execution.processId}`,
      traceparent: null,
    });
    expect(readExecution(new Headers(headers))).to.deep.equal(execution);
    expect(readExecution(Object.entries(headers))).to.deep.equal(execution);
    const lower = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value]]),
    );
    expect(readExecution(lower)).to.deep.equal(execution);
    expect(acceptedHeaders(execution)).to.deep.equal({ "Sticky-Execution": headers["Sticky-Execution"] });
  });

  it("returns null for a request that is not an execution", () => {
    expect(readExecution({ host: "a", "sticky-process-id": "1.x.2" })).to.equal(null);
    expect(readExecution({})).to.equal(null);
  });

  it("completes with JSON, text, bytes or nothing, under any status", async () => {
    expect(await receiver().complete(execution, { status: 201, json: { id: 1 } })).to.deep.equal({
      duplicate: false,
      cancelRequested: false,
    });
    expect(stored()).to.deep.equal({ status: 201, type: "application/json", body: '{"id":1}' });
    for (const [result, expected] of [
      [{ body: "plain" }, { status: 200, type: "text/plain; charset=utf-8", body: "plain" }],
      [
        { body: new TextEncoder().encode("a,b"), contentType: "text/csv" },
        { status: 200, type: "text/csv", body: "a,b" },
      ],
      [{ body: Uint8Array.of(65) }, { status: 200, type: "application/octet-stream", body: "A" }],
      [{ status: 204 }, { status: 204, type: "", body: "" }],
    ] as const) {
      execution = readExecution(gateway.dispatchFields(gateway.create("k").view.id))!;
      await receiver().complete(execution, result);
      expect(stored()).to.deep.equal(expected);
    }
  });

  it("sends header fields of the result in the result media type", async () => {
    const headers = { Location: "/r/1", "Set-Cookie": ["a=1", "b=2"] };
    await receiver().complete(execution, { status: 201, headers, json: "text" });
    const { type, body } = stored();
    expect(type).to.equal("application/vnd.sticky.result+json");
    expect(JSON.parse(body)).to.deep.equal({
      status: 201,
      headers: { ...headers, "content-type": "application/json" },
      body: '"text"',
    });
    const mistaken = receiver().complete(execution, { headers, body: Uint8Array.of(1) });
    expect(await rejection(mistaken)).to.be.instanceOf(TypeError);
    expect(await rejection(receiver().complete(execution, { json: 1, body: "1" }))).to.be.instanceOf(
      TypeError,
    );
  });

  it("reports a failure and progress", async () => {
    await receiver().heartbeat(execution, {
      progress: { percent: 40, message: "rendering" },
      extendMs: 30_000,
    });
    expect(gateway.processes.get(execution.processId)!.view.progress).to.deep.equal({
      percent: 40,
      message: "rendering",
    });
    await receiver().fail(execution, { title: "No paper", retryable: true, executed: "no" });
    expect(stored().type).to.equal("application/problem+json");
    expect(JSON.parse(stored().body)).to.deep.equal({ title: "No paper", retryable: true, executed: "no" });
  });

  it("reads a cancellation from any acknowledgement", async () => {
    gateway.change(execution.processId, { cancelRequested: true });
    expect(await receiver().heartbeat(execution)).to.deep.equal({ duplicate: false, cancelRequested: true });
  });

  it("retries a report until it is accepted, and the gateway recognises the duplicate", async () => {
    gateway.faults.push(
      { kind: "problem", slug: "store-unavailable" },
      { kind: "reset" },
      { kind: "answer", status: 502 },
      { kind: "lost-answer" },
    );
    expect(await receiver({ secrets: [secret] }).complete(execution, { json: 1 })).to.include({
      duplicate: true,
    });
    expect(gateway.seen).to.have.length(5);
    expect(new Set(gateway.seen.map(({ headers }) => headers["webhook-id"])).size).to.equal(1);
    expect(stored().body).to.equal("1");
  });

  it("rejects with execution-stale when the process ended without the report, and does not retry", async () => {
    await receiver().complete(execution, { json: 1 });
    const error = await rejection(receiver().complete(execution, { json: 2 }));
    expect(isProblem(error, "execution-stale")).to.equal(true);
    expect(gateway.seen).to.have.length(2);
    const forged = { ...execution, token: `1.${"A".repeat(43)}` };
    expect(isProblem(await rejection(receiver().complete(forged)), "unauthorized")).to.equal(true);
  });

  it("accepts no other response as an acknowledgement", async () => {
    gateway.faults.push({ kind: "answer", status: 200, body: "<html>login</html>" });
    expect(await rejection(receiver().complete(execution))).to.be.instanceOf(UnexpectedResponseError);
  });

  it("signs its reports so that the standardwebhooks package accepts them", async () => {
    await receiver({ secrets: [secret] }).complete(execution, { json: { id: 1 } });
    const [{ headers, body }] = gateway.seen as [(typeof gateway.seen)[number]];
    expect(new Webhook(secret).verify(body, headers as Record<string, string>)).to.deep.equal({ id: 1 });
  });

  it("verifies what the standardwebhooks package signs, and nothing else", () => {
    const body = '{"type":"process.completed"}';
    const now = new Date();
    const seconds = String(Math.floor(now.getTime() / 1000));
    const headers = {
      "webhook-id": "msg_1",
      "webhook-timestamp": seconds,
      "webhook-signature": new Webhook(secret).sign("msg_1", now, body),
    };
    const raw = new TextEncoder().encode(body);
    const own = receiver({ secrets: [`whsec_${randomBytes(24).toString("base64")}`, secret] });
    expect(own.verify(headers, raw)).to.deep.equal({ valid: true, id: "msg_1" });
    expect(own.verify(new Headers(headers), raw, now.getTime() + 400_000)).to.deep.equal({
      valid: false,
      reason: "timestamp",
    });
    expect(own.verify(headers, new TextEncoder().encode(`${body} `))).to.deep.equal({
      valid: false,
      reason: "mismatch",
    });
    expect(own.verify({}, raw)).to.deep.equal({ valid: false, reason: "absent" });
    expect(receiver().verify(headers, raw)).to.deep.equal({ valid: false, reason: "mismatch" });
    expect(() => createReceiver({ secrets: ["whsec_short"] })).to.throw(TypeError);
  });
});
