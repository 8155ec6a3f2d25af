import { expect } from "chai";
import { createClient, type Client, type ClientOptions } from "./client.ts";
import {
  ConnectionError,
  isKnownProblem,
  isProblem,
  ProblemError,
  UnexpectedResponseError,
  WaitTimeoutError,
} from "./errors.ts";
import { FakeGateway } from "./fake-gateway.ts";

const done = {
  status: 201,
  headers: { "content-type": "application/json", location: "/r/1" },
  body: '{"id":1}',
};

/** The error that a promise rejects with. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("client", () => {
  let gateway: FakeGateway;
  const client = (options: Partial<ClientOptions> = {}): Client =>
    createClient({ baseUrl: gateway.url, ...options, retry: { minMs: 1, maxMs: 5, ...options.retry } });

  beforeEach(async () => {
    gateway = await new FakeGateway().start();
  });
  afterEach(() => gateway.stop());

  describe("submit", () => {
    it("sends the request with a key and returns a handle at once", async () => {
      const handle = await client().submit("reports/monthly?year=2026", {
        json: { month: 11 },
        deadlineMs: 90_000,
      });
      const [seen] = gateway.seen;
      expect(seen).to.deep.include({
        method: "POST",
        url: "/reports/monthly?year=2026",
        body: '{"month":11}',
      });
      expect(seen!.headers).to.deep.include({
        "idempotency-key": `"${handle.idempotencyKey}"`,
        "content-type": "application/json",
        prefer: "respond-async",
        "sticky-deadline": "90",
      });
      expect(handle.idempotencyKey).to.match(/^[0-9a-f-]{36}$/);
      expect(handle.replayed).to.equal(false);
      expect((await handle.status()).status).to.equal("in-progress");
    });

    it("retries with the same key, so that a lost response runs nothing twice", async () => {
      gateway.faults.push({ kind: "lost-answer" }, { kind: "reset" });
      const handle = await client().submit("reports", { body: "x" });
      expect(gateway.seen).to.have.length(3);
      expect(new Set(gateway.seen.map(({ headers }) => headers["idempotency-key"])).size).to.equal(1);
      expect(gateway.runs).to.equal(1);
      expect(handle.replayed).to.equal(true);
    });

    it("uses the caller's key from the option or the header, and refuses an invalid one", async () => {
      await client().submit("reports", {
        idempotencyKey: "order 1",
        headers: { "X-Idempotency-Key": "other" },
      });
      expect(gateway.seen[0]!.headers["idempotency-key"]).to.equal('"order 1"');
      expect(gateway.seen[0]!.headers).not.to.have.property("x-idempotency-key");
      await client().submit("reports", { headers: { "X-Idempotency-Key": "order-2" } });
      expect(gateway.seen[1]!.headers["idempotency-key"]).to.equal('"order-2"');
      for (const key of ["", "é", 'a"b', "k".repeat(256)]) {
        expect(await rejection(client().submit("reports", { idempotencyKey: key }))).to.be.instanceOf(
          TypeError,
        );
      }
    });

    it("retries a problem with executed no, and waits for Retry-After", async () => {
      const headers = { "Retry-After": "1" };
      gateway.faults.push(
        { kind: "problem", slug: "store-unavailable", options: { headers } },
        { kind: "problem", slug: "draining" },
        { kind: "problem", slug: "rate-limited" },
      );
      const startedAt = performance.now();
      await client().submit("reports");
      expect(gateway.seen).to.have.length(4);
      expect(performance.now() - startedAt).to.be.at.least(990);
    });

    it("does not wait for a Retry-After above maxRetryAfterMs", async () => {
      gateway.faults.push({
        kind: "problem",
        slug: "rate-limited",
        options: { headers: { "Retry-After": "3600" } },
      });
      const error = await rejection(client().submit("reports"));
      expect(error)
        .to.be.instanceOf(ProblemError)
        .and.to.include({ slug: "rate-limited", retryAfterMs: 3_600_000 });
      expect(gateway.seen).to.have.length(1);
    });

    it("does not retry what may have run: the error says so and carries the key", async () => {
      gateway.faults.push({ kind: "problem", slug: "execution-lost", options: { processId: "1.x.2" } });
      const error = await rejection(client().submit("reports", { idempotencyKey: "k" }));
      expect(error).to.be.instanceOf(ProblemError).and.to.include({
        slug: "execution-lost",
        status: 502,
        executed: "unknown",
        processId: "1.x.2",
        requestId: "request-1",
        idempotencyKey: "k",
      });
      expect(gateway.seen).to.have.length(1);
    });

    it("does not retry a problem with executed unknown, whatever its status", async () => {
      const headers = { "Retry-After": "0" };
      gateway.faults.push({
        kind: "problem",
        slug: "store-unavailable",
        options: { executed: "unknown", headers },
      });
      const error = await rejection(client().submit("reports"));
      expect(error).to.be.instanceOf(ProblemError).and.to.include({ executed: "unknown" });
      expect(gateway.seen).to.have.length(1);
    });

    it("does not retry a problem that is not retryable", async () => {
      gateway.faults.push({ kind: "problem", slug: "idempotency-key-reused" });
      const error = await rejection(client().submit("reports"));
      expect(isProblem(error, "idempotency-key-reused")).to.equal(true);
      expect(isProblem(error, "rate-limited")).to.equal(false);
      expect(isKnownProblem(error)).to.equal(true);
      expect(gateway.seen).to.have.length(1);
    });

    it("sends a forced run and a stream body once", async () => {
      for (const init of [
        { force: true },
        { onDuplicate: "replace" as const },
        { body: new Blob(["x"]).stream() },
      ]) {
        gateway.faults.push({ kind: "reset" });
        const before = gateway.seen.length;
        expect(await rejection(client().submit("reports", init))).to.be.instanceOf(ConnectionError);
        expect(gateway.seen.length - before).to.be.at.most(1);
        gateway.faults.length = 0;
      }
    });

    it("rejects after the last attempt with executed unknown", async () => {
      gateway.faults.push({ kind: "reset" }, { kind: "reset" }, { kind: "reset" });
      const error = await rejection(client({ retry: { attempts: 3 } }).submit("reports"));
      expect(error).to.be.instanceOf(ConnectionError).and.to.include({ executed: "unknown" });
      expect((error as ConnectionError).idempotencyKey).to.be.a("string");
      expect(gateway.seen).to.have.length(3);
    });

    it("retries a balancer's response for an unreachable gateway", async () => {
      gateway.faults.push({ kind: "answer", status: 503, body: "<html>no server</html>" });
      await client().submit("reports");
      expect(gateway.seen).to.have.length(2);
    });

    it("treats the service's error response as the result", async () => {
      const id = gateway.create("k").view.id;
      const body = '{"type":"/_sticky/problems/rate-limited","title":"mine"}';
      gateway.end(id, "completed", {
        status: 429,
        headers: { "content-type": "application/problem+json" },
        body,
      });
      const handle = await client().submit("reports", { idempotencyKey: "k" });
      const response = await handle.result();
      expect(response.status).to.equal(429);
      expect(await response.text()).to.equal(body);
      expect(handle.replayed).to.equal(true);
      expect(gateway.seen).to.have.length(1);
    });

    it("rejects when the route has no processes, with the response", async () => {
      gateway.faults.push({ kind: "answer", status: 200, body: "plain" });
      const error = await rejection(client().submit("pages"));
      expect(error).to.be.instanceOf(UnexpectedResponseError);
      expect(await (error as UnexpectedResponseError).response.text()).to.equal("plain");
    });

    it("times out when the gateway never answers", async () => {
      gateway.faults.push({ kind: "silence" });
      const error = await rejection(
        client({ requestTimeoutMs: 50, retry: { attempts: 1 } }).submit("reports"),
      );
      expect(error).to.be.instanceOf(ConnectionError);
    });

    it("times out on a response that never ends, and retries", async () => {
      const { id } = await client().submit("reports");
      gateway.faults.push({ kind: "stall" });
      expect(await client({ requestTimeoutMs: 50 }).status(id)).to.include({ id });
      expect(gateway.seen).to.have.length(3);
    });

    it("aborts with the caller's signal, also between attempts", async () => {
      const caller = new AbortController();
      gateway.faults.push({
        kind: "problem",
        slug: "draining",
        options: { headers: { "Retry-After": "30" } },
      });
      const submitted = rejection(client().submit("reports", { signal: caller.signal }));
      await gateway.request(1);
      caller.abort(new Error("enough"));
      expect(await submitted).to.have.property("message", "enough");
      expect(gateway.seen).to.have.length(1);
    });

    it("refuses a target outside the service, and two bodies", async () => {
      for (const target of ["reports/../admin", "reports/%2E%2e/admin", "..", "a#b"]) {
        expect(await rejection(client().submit(target)), target).to.be.instanceOf(TypeError);
      }
      expect(await rejection(client().submit("r", { json: 1, body: "1" }))).to.be.instanceOf(TypeError);
      await client({ baseUrl: `${gateway.url}/edge/` }).submit("http://evil.example/x");
      expect(gateway.seen[0]!.url).to.equal("/edge/http://evil.example/x");
      expect(() => createClient({ baseUrl: "ftp://gateway" })).to.throw(TypeError);
    });

    it("sends the client's header fields, computed anew for each call", async () => {
      let asked = 0;
      const own = client({ headers: () => ({ Authorization: `Bearer ${++asked}` }) });
      const handle = await own.submit("reports");
      await handle.status();
      expect(gateway.seen.map(({ headers }) => headers.authorization)).to.deep.equal([
        "Bearer 1",
        "Bearer 2",
      ]);
    });
  });

  describe("wait", () => {
    it("follows every version to the end by long polls", async () => {
      const { id } = await client().submit("reports");
      const seen: (number | null)[] = [];
      const waiting = client().wait(id, { onUpdate: (view) => seen.push(view.progress?.percent ?? null) });
      await gateway.request(3);
      gateway.change(id, { progress: { percent: 40, message: null } });
      await gateway.request(4);
      gateway.end(id, "completed", done);
      const view = await waiting;
      expect(view).to.include({ status: "completed", done: true });
      expect(seen).to.deep.equal([null, 40, 40]);
      expect(gateway.seen.map(({ headers }) => headers["if-none-match"])).to.deep.equal([
        undefined,
        undefined,
        '"v1"',
        '"v2"',
      ]);
      expect(gateway.seen[2]!.headers.prefer).to.match(/^wait=2[45]$/);
    });

    it("continues after failures of the gateway", async () => {
      const { id } = await client().submit("reports");
      gateway.faults.push({ kind: "reset" }, { kind: "problem", slug: "store-unavailable" });
      const waiting = client().wait(id);
      await gateway.request(4);
      gateway.end(id, "failed", null, "execution-lost");
      expect(await waiting).to.include({ status: "failed" });
    });

    it("pauses between polls that are answered at once", async () => {
      gateway.holds = false;
      const { id } = await client().submit("reports");
      const waiting = rejection(client().wait(id, { timeoutMs: 400 }));
      expect(await waiting)
        .to.be.instanceOf(WaitTimeoutError)
        .and.to.have.nested.property("view.version", 1);
      // Without pauses there would be hundreds.
      expect(gateway.seen.length).to.be.at.most(6);
    });

    it("times out, and another client resumes by the id", async () => {
      const { id } = await client().submit("reports");
      const error = await rejection(client().wait(id, { timeoutMs: 30 }));
      expect(error).to.be.instanceOf(WaitTimeoutError).and.to.include({ id });
      gateway.end(id, "completed", done);
      expect((await client().process(id).wait()).done).to.equal(true);
    });

    it("stops waiting with the caller's signal while the process continues", async () => {
      const { id } = await client().submit("reports");
      const caller = new AbortController();
      const waiting = rejection(client().wait(id, { signal: caller.signal }));
      await gateway.request(3);
      caller.abort(new Error("enough"));
      expect(await waiting).to.have.property("message", "enough");
      expect((await client().status(id)).status).to.equal("in-progress");
    });

    it("rejects at once for a process that does not exist", async () => {
      expect(isProblem(await rejection(client().wait("1.x.2")), "process-not-found")).to.equal(true);
    });

    it("rejects with what the caller's callback throws", async () => {
      const { id } = await client().submit("reports");
      const mine = new TypeError("mine");
      const throwing = (): never => {
        throw mine;
      };
      expect(await rejection(client().wait(id, { onUpdate: throwing }))).to.equal(mine);
    });
  });

  describe("result", () => {
    it("waits for the end and returns the service's response", async () => {
      const handle = await client().submit("reports");
      const result = handle.result();
      await gateway.request(2);
      gateway.end(handle.id, "completed", done);
      const response = await result;
      expect(response.status).to.equal(201);
      expect(response.headers.get("location")).to.equal("/r/1");
      expect(await response.json()).to.deep.equal({ id: 1 });
      expect(gateway.seen).to.have.length(2);
      expect(await (await handle.result()).text()).to.equal('{"id":1}');
    });

    it("returns a service's 202 as a result", async () => {
      const { id } = await client().submit("reports");
      gateway.end(id, "completed", { status: 202, headers: {}, body: "queued" });
      expect(await (await client().result(id)).text()).to.equal("queued");
    });

    it("does not wait with waitMs 0", async () => {
      const { id } = await client().submit("reports");
      const error = await rejection(client().result(id, { timeoutMs: 0 }));
      expect(error)
        .to.be.instanceOf(WaitTimeoutError)
        .and.to.have.nested.property("view.status", "in-progress");
      expect(gateway.seen[1]!.headers).not.to.have.property("prefer");
    });

    it("rejects with a typed error when the process has no response, after one request", async () => {
      const { id } = await client().submit("reports");
      gateway.end(id, "failed", null, "service-unavailable");
      const error = await rejection(client().result(id));
      expect(error)
        .to.be.instanceOf(ProblemError)
        .and.to.include({ slug: "service-unavailable", executed: "no" });
      expect(gateway.seen).to.have.length(2);
    });

    it("names the successor of a replaced process", async () => {
      const { id } = await client().submit("reports");
      gateway.faults.push({
        kind: "problem",
        slug: "process-cancelled",
        options: {
          headers: {
            Link: '</_sticky/v1/processes/a>; rel="status", </_sticky/v1/processes/b>; rel="successor"',
          },
        },
      });
      const error = await rejection(client().result(id));
      expect(isProblem(error, "process-cancelled") && error.links.get("successor")).to.equal(
        "/_sticky/v1/processes/b",
      );
    });
  });

  describe("the other calls", () => {
    it("cancel: cancels a process once, and rejects when it has ended", async () => {
      const handle = await client().submit("reports");
      expect(await handle.cancel()).to.include({ status: "cancelled" });
      expect(await handle.cancel()).to.include({ status: "cancelled" });
      const other = await client().submit("reports");
      gateway.end(other.id, "completed", done);
      expect(isProblem(await rejection(other.cancel()), "process-terminal")).to.equal(true);
    });

    it("rerun: starts a new process, one per key even when the response is lost", async () => {
      const handle = await client().submit("reports");
      expect(isProblem(await rejection(handle.rerun()), "process-running")).to.equal(true);
      gateway.end(handle.id, "completed", done);
      gateway.faults.push({ kind: "lost-answer" });
      const next = await handle.rerun({ cancelRunning: true });
      expect(gateway.seen.at(-1)!.body).to.equal('{"cancelRunning":true}');
      expect(gateway.runs).to.equal(2);
      expect((await next.status()).rerunOf).to.equal(handle.id);
    });

    it("lookup: finds a key without writing it into a URL", async () => {
      const { id } = await client().submit("reports", { idempotencyKey: "order-1" });
      const view = await client().lookup({ service: "reports", idempotencyKey: "order-1" });
      expect(view?.id).to.equal(id);
      expect(await client().lookup({ service: "reports", idempotencyKey: "other" })).to.equal(null);
      expect(gateway.seen.every(({ url }) => !url.includes("order"))).to.equal(true);
    });

    it("forget: removes a finished process", async () => {
      const { id } = await client().submit("reports");
      expect(isProblem(await rejection(client().forget(id)), "process-running")).to.equal(true);
      gateway.end(id, "completed", done);
      await client().forget(id);
      expect(isProblem(await rejection(client().status(id)), "process-not-found")).to.equal(true);
    });
  });
});
