import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:http";
import { EventEmitter, once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect } from "chai";
import {
  createClient,
  isProblem,
  WaitTimeoutError,
  type Client,
  type ClientOptions,
} from "@sticky-proxy/client";
import type { ProcessView } from "@sticky-proxy/protocol";
import {
  acceptedHeaders,
  createReceiver,
  readExecution,
  type Execution,
} from "@sticky-proxy/client/receiver";
import { startNodes, type Nodes } from "../support/nodes.ts";

const signingSecret = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("the client and the receiver, over three replicas", () => {
  let service: Server;
  let cluster: Nodes;
  /** What the service was sent, in order. */
  let executions: Execution[];
  let payments: number;
  const receiver = createReceiver({ secrets: [signingSecret] });

  before(async () => {
    service = createServer((request, response) => {
      const execution = readExecution(request.headers);
      if (execution !== null) executions.push(execution);
      service.emit("execution");
      request.resume();
      if (request.url === "/charges") {
        payments += 1;
        response
          .writeHead(201, { "Content-Type": "application/json" })
          .end(JSON.stringify({ payment: payments }));
        return;
      }
      response.writeHead(202, execution === null ? {} : acceptedHeaders(execution)).end();
    });
    service.listen(0, "127.0.0.1");
    await once(service, "listening");
    cluster = await startNodes({
      count: 3,
      yaml: `
services:
  reports:
    instances: [http://127.0.0.1:${(service.address() as AddressInfo).port}]
    callbackAuth: { mode: both, secrets: ["${signingSecret}"] }
    routes:
      - process: { identity: key, completion: callback, waitMs: 5000, onWaitEnd: accepted, deadlineMs: 60000, keepRequest: true }
  payments:
    instances: [http://127.0.0.1:${(service.address() as AddressInfo).port}]
    routes:
      - match: { methods: [POST], path: /charges }
        process: { identity: key, waitMs: 20000 }
`,
    });
  });
  after(async () => {
    await cluster.close();
    service.closeAllConnections();
    service.close();
  });
  beforeEach(() => {
    executions = [];
    payments = 0;
  });

  async function execution(n = 1): Promise<Execution> {
    while (executions.length < n) await once(service, "execution");
    return executions[n - 1]!;
  }

  /** Each request goes to another replica, as behind a balancer. */
  function client(options: Partial<ClientOptions> = {}): Client {
    let requests = 0;
    return createClient({
      baseUrl: "http://gateway",
      fetch: (url, init) => fetch(url.replace("http://gateway", cluster.url(requests++)), init),
      ...options,
    });
  }

  it("submit, wait and read the result, each on another replica", async () => {
    const handle = await client().submit("reports/monthly", { json: { month: 11 } });
    const sent = await execution();
    expect(sent).to.include({ processId: handle.id, idempotencyKey: handle.idempotencyKey, attempt: 1 });
    const seen: ProcessView[] = [];
    const updates = new EventEmitter();
    const waiting = handle.wait({ onUpdate: (view) => updates.emit("view", seen.push(view)) });
    const until = async (isThere: (view: ProcessView) => boolean): Promise<void> => {
      while (!seen.some(isThere)) await once(updates, "view");
    };
    await until(({ phase }) => phase === "awaiting-callback");
    await receiver.heartbeat(sent, { progress: { percent: 40, message: "rendering" }, extendMs: 30_000 });
    await until(({ progress }) => progress?.percent === 40);
    const acknowledged = await receiver.complete(sent, {
      status: 201,
      headers: { Location: "/r/1" },
      json: { id: 1 },
    });
    expect(acknowledged).to.deep.equal({ duplicate: false, cancelRequested: false });
    expect(await waiting).to.include({ status: "completed", done: true });
    const response = await handle.result();
    expect(response.status).to.equal(201);
    expect(response.headers.get("location")).to.equal("/r/1");
    expect(await response.json()).to.deep.equal({ id: 1 });
    const repeated = await receiver.complete(sent, {
      status: 201,
      headers: { Location: "/r/1" },
      json: { id: 1 },
    });
    expect(repeated.duplicate).to.equal(true);
    const other = await rejection(receiver.complete(sent, { json: { id: 2 } }));
    expect(isProblem(other, "execution-stale")).to.equal(true);
  });

  it("a payment whose answer is lost on the way is repeated with its key and charged once", async () => {
    let lost = 0;
    const lossy = client({
      fetch: async (url, init) => {
        const response = await fetch(url.replace("http://gateway", cluster.url(lost)), init);
        if (lost++ > 0) return response;
        await response.arrayBuffer();
        throw new TypeError("connection lost");
      },
    });
    const handle = await lossy.submit("payments/charges", { json: { amount: 10 }, waitMs: 10_000 });
    const response = await handle.result();
    expect(response.status).to.equal(201);
    expect(await response.json()).to.deep.equal({ payment: 1 });
    expect({ lost, payments, replayed: handle.replayed }).to.deep.equal({
      lost: 2,
      payments: 1,
      replayed: true,
    });
  });

  it("the same key with another payload is a typed error, and nothing runs", async () => {
    const idempotencyKey = randomUUID();
    await client().submit("payments/charges", { json: { amount: 10 }, idempotencyKey, waitMs: 10_000 });
    const error = await rejection(
      client().submit("payments/charges", { json: { amount: 11 }, idempotencyKey }),
    );
    expect(isProblem(error, "idempotency-key-reused") && error.executed).to.equal("no");
    expect(payments).to.equal(1);
  });

  it("a cancelled process refuses its late result", async () => {
    const handle = await client().submit("reports/monthly");
    const sent = await execution();
    expect(await handle.cancel()).to.include({ status: "cancelled", done: true });
    expect(isProblem(await rejection(receiver.complete(sent, { json: 1 })), "execution-stale")).to.equal(
      true,
    );
    expect(isProblem(await rejection(handle.result()), "process-cancelled")).to.equal(true);
  });

  it("a finished process is run again as a new one, once per key", async () => {
    const handle = await client().submit("reports/monthly", { json: { month: 11 } });
    expect(isProblem(await rejection(handle.rerun()), "process-running")).to.equal(true);
    await receiver.complete(await execution(), { json: 1 });
    const idempotencyKey = randomUUID();
    const again = await handle.rerun({ idempotencyKey });
    expect((await handle.rerun({ idempotencyKey })).id).to.equal(again.id);
    const second = await execution(2);
    expect(second.processId).to.equal(again.id).and.not.to.equal(handle.id);
    expect(second.fence).to.be.greaterThan(executions[0]!.fence);
    await receiver.complete(second, { json: 2 });
    expect(await (await again.result()).json()).to.equal(2);
    expect((await again.status()).rerunOf).to.equal(handle.id);
    expect((await handle.status()).supersededBy).to.equal(again.id);
    expect(executions).to.have.length(2);
  });

  it("a failure that the service reports is the result", async () => {
    const handle = await client().submit("reports/monthly");
    const result = handle.result();
    await receiver.fail(await execution(), { title: "No paper", status: 503, executed: "no" });
    const response = await result;
    expect(response.status).to.equal(503);
    expect(await response.json()).to.include({ title: "No paper" });
  });

  it("a key is found again, and forgotten when its process has ended", async () => {
    const idempotencyKey = randomUUID();
    const owner = client();
    const { id } = await owner.submit("reports/monthly", { idempotencyKey });
    expect((await owner.lookup({ service: "reports", idempotencyKey }))?.id).to.equal(id);
    expect(isProblem(await rejection(client().forget(id)), "process-running")).to.equal(true);
    await receiver.complete(await execution(), { json: 1 });
    await client().forget(id);
    expect(await client().lookup({ service: "reports", idempotencyKey })).to.equal(null);
  });

  it("a wait that ends early is resumed by the id, from another program", async () => {
    const { id } = await client().submit("reports/monthly");
    const error = await rejection(client().wait(id, { timeoutMs: 10 }));
    expect(error).to.be.instanceOf(WaitTimeoutError).and.to.include({ id });
    const waiting = client().wait(id);
    await receiver.complete(await execution(), { json: 1 });
    expect((await waiting).done).to.equal(true);
  });

  it("a report with a wrong signature or token is refused and changes nothing", async () => {
    const handle = await client().submit("reports/monthly");
    const sent = await execution();
    const stranger = createReceiver({ secrets: [`whsec_${Buffer.alloc(32, 4).toString("base64")}`] });
    const forged = { ...sent, token: `1.${"A".repeat(43)}` };
    for (const report of [
      stranger.complete(sent),
      createReceiver().complete(sent),
      receiver.complete(forged),
    ]) {
      expect(isProblem(await rejection(report), "unauthorized")).to.equal(true);
    }
    expect((await handle.status()).done).to.equal(false);
  });
});
