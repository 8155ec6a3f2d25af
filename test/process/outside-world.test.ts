import { systemClock } from "@sticky-proxy/runtime";
import { createCancelHook, createPacing, type ServicePacing } from "@sticky-proxy/engine";
import { redriveDeadLetter } from "@sticky-proxy/operations";
import type { ProcessRecord } from "@sticky-proxy/core/process";
import { parseProcessId } from "@sticky-proxy/protocol";
import { FakeUpstream, type RecordedRequest } from "@sticky-proxy/testkit";
import { createOutboundCallers } from "@sticky-proxy/upstream";
import { expect } from "chai";
import { Webhook } from "standardwebhooks";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { suiteStores, type SuiteStore } from "../support/stores.ts";
import { until } from "../support/until.ts";

const hookSecret = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`webhooks, cancel hooks, pauses, schemas and dead letters, over three replicas on ${kind}`, () => {
    let suite: SuiteStore;
    let upstream: FakeUpstream;
    let shop: FakeUpstream;
    let cluster: Nodes;
    let pacing: ServicePacing;
    const callers = createOutboundCallers();

    before(async () => {
      upstream = await FakeUpstream.start();
      shop = await FakeUpstream.start();
      suite = await openSuiteStore();
      pacing = createPacing({
        shared: null,
        services: () => ["paced", "patient"],
        clock: systemClock,
        random: () => 0,
        onFailure: () => undefined,
      });
      const cancelHook = createCancelHook({
        callers,
        find: (record: ProcessRecord) => cluster.nodes[0]!.engine.rules.find(record),
        random: () => 0,
        onOutcome: () => undefined,
      });
      cluster = await startNodes({
        count: 3,
        store: suite.store,
        pacing,
        cancelHook: (record) => cancelHook.tell(record),
        yaml: `
webhooks:
  shop: { url: "${shop.origin}/events", secrets: ["${hookSecret}"], allowPrivate: true }
services:
  jobs:
    instances: [${upstream.origin}]
    routes:
      - match: { methods: [POST], path: /checked }
        bodySchema: { type: object, required: [account], properties: { account: { type: string, minLength: 1 } } }
        process: { identity: request, waitMs: 5000 }
      - match: { methods: [POST], path: /cancelled }
        process: { identity: request, completion: callback, cancelHook: "${upstream.origin}/stop" }
      - match: { methods: [POST], path: /dead }
        process: { identity: key, waitMs: 5000, onUnknown: fail, keepRequest: true }
      - process: { identity: request, waitMs: 5000 }
  paced:
    instances: [${upstream.origin}]
    limits: { maxQueue: 2 }
    routes:
      - process: { identity: key, waitMs: 10000 }
  patient:
    instances: [${upstream.origin}]
    honoursKey: true
    routes:
      - match: { path: /by-owner }
        retries: { attempts: 2, minMs: 1, maxMs: 1 }
        process: { identity: key, waitMs: 20000 }
      - match: { path: /by-alarm }
        retries: { attempts: 2, minMs: 1, maxMs: 1 }
        process: { identity: key, waitMs: 20000, leaseMs: 3000 }
`,
      });
    });
    after(async () => {
      await cluster.close();
      callers.close();
      await Promise.all([upstream.close(), shop.close()]);
      await suite.close();
    });
    let count = 0;
    beforeEach(() => {
      for (const server of [upstream, shop]) server.requests.length = 0;
      upstream.respond((_request, response) => response.writeHead(200, { "X-Done": "1" }).end("done"));
      shop.respond((_request, response) => response.end());
    });
    const tick = (): Promise<unknown> => cluster.sweeper.tick();

    function post(path: string, headers: Record<string, string> = {}, body = String((count += 1)), node = 0) {
      return fetch(cluster.url(node) + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body,
      });
    }
    async function recordOf(answer: Response): Promise<ProcessRecord> {
      const ref = parseProcessId(answer.headers.get("sticky-process-id")!)!;
      const { record } = await cluster.store.read(ref, { withResult: false });
      return record!;
    }

    it("tells the client's endpoint of the end, signed, and again under the same id until it is taken", async () => {
      let failuresLeft = 1;
      shop.respond((_request, response) => {
        response.statusCode = (failuresLeft -= 1) >= 0 ? 500 : 204;
        response.end();
      });
      const answer = await post("/jobs/x", { "Sticky-Callback": "shop" });
      await until(() => shop.requests.length === 1, tick);
      const waiting = await until(async () => {
        const record = await recordOf(answer);
        return record.notifyAttempt === 1 ? record : null;
      });
      expect(waiting.notifyState).to.equal("pending");
      expect(waiting.wakeAt! - waiting.updatedAt).to.be.within(4000, 6000);
      // The schedule's own time is not waited for: the alarm is moved here.
      await cluster.nodes[0]!.engine.processes.apply(waiting, {
        type: "notified",
        delivered: false,
        retryInMs: 0,
      });
      await until(() => shop.requests.length === 2, tick);
      await until(async () => (await recordOf(answer)).notifyState === "delivered");
      const [first, second] = shop.requests as [RecordedRequest, RecordedRequest];
      expect(second.headers.get("webhook-id")).to.equal(first.headers.get("webhook-id"));
      const event = JSON.parse(second.body.toString()) as {
        type: string;
        data: { id: string; links: { result: string } };
      };
      expect(event.type).to.equal("process.completed");
      expect(event.data.id).to.equal(answer.headers.get("sticky-process-id"));
      const fields = Object.fromEntries(second.headers);
      expect(() => new Webhook(hookSecret).verify(second.body.toString(), fields)).not.to.throw();
      expect(await (await fetch(event.data.links.result)).text()).to.equal("done");
    });

    it("keeps a dead letter when the endpoint is gone, and a redrive tells it again without running the work again", async () => {
      shop.respond((_request, response) => response.writeHead(410).end());
      const answer = await post("/jobs/x", { "Sticky-Callback": "shop" });
      const dead = await until(async () => {
        const record = await recordOf(answer);
        return record.notifyState === "failed" ? record : null;
      }, tick);
      expect(dead).to.include({ status: "completed", deadLetter: "callback" });
      shop.respond((_request, response) => response.end());
      const { processes } = cluster.nodes[0]!.engine;
      expect((await redriveDeadLetter(processes, dead)).kind).to.equal("notified-again");
      await until(async () => (await recordOf(answer)).notifyState === "delivered", tick);
      expect([shop.requests.length, upstream.requests.length]).to.deep.equal([2, 1]);
    });

    it("tells the service of a cancel at the route's hook", async () => {
      const answer = await post("/jobs/cancelled");
      expect(answer.status).to.equal(202);
      const { id } = (await answer.json()) as { id: string };
      const cancelled = await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}/cancel`, {
        method: "POST",
      });
      expect(cancelled.status).to.equal(200);
      await upstream.arrived(2);
      await until(() => upstream.last.ended);
      expect(upstream.last.target).to.equal("/stop");
      expect(JSON.parse(upstream.last.body.toString())).to.include({ processId: id, attempt: 1 });
    });

    it("tells it too when work is forced aside, and not when what is forced had ended", async () => {
      upstream.respond(({ target }, response) => response.writeHead(target === "/stop" ? 200 : 202).end());
      const body = String((count += 1));
      const stops = (): (string | undefined)[] =>
        upstream.requests
          .filter(({ target }) => target === "/stop")
          .map(({ headers }) => headers.get("sticky-process-id"));
      const first = await post("/jobs/cancelled", {}, body);
      const forced = await post("/jobs/cancelled", { "Sticky-Force": "true" }, body, 1);
      await until(() => stops().length > 0);
      expect(stops()).to.deep.equal([first.headers.get("sticky-process-id")]);
      const id = forced.headers.get("sticky-process-id")!;
      const self = `${cluster.url(2)}/_sticky/v1/processes/${id}`;
      const sent = await until(
        () => upstream.requests.find(({ headers }) => headers.get("sticky-process-id") === id) ?? null,
      );
      await fetch(sent.headers.get("sticky-callback-url")!, {
        method: "POST",
        headers: { "Sticky-Execution": sent.headers.get("sticky-execution")!, "Content-Type": "text/plain" },
        body: "done",
      });
      expect(await (await fetch(self)).json()).to.include({ status: "completed" });
      upstream.requests.length = 0;
      const again = await post("/jobs/cancelled", { "Sticky-Force": "true" }, body, 1);
      await fetch(
        `${cluster.url(0)}/_sticky/v1/processes/${again.headers.get("sticky-process-id")!}/cancel`,
        { method: "POST" },
      );
      await until(() => stops().length > 0);
      expect(stops()).to.deep.equal([again.headers.get("sticky-process-id")]);
    });

    it("refuses what the route's schema does not allow before anything is begun", async () => {
      const missing = await post("/jobs/checked", {}, "{}");
      expect(missing.status).to.equal(422);
      expect(await missing.json()).to.deep.include({
        type: "/_sticky/problems/validation-failed",
        executed: "no",
        errors: [{ pointer: "/account", message: "is missing" }],
      });
      expect(missing.headers.has("sticky-process-id")).to.equal(false);
      expect((await post("/jobs/checked", {}, "{")).status).to.equal(400);
      expect((await post("/jobs/checked", { "Content-Type": "text/plain" }, "{}")).status).to.equal(415);
      expect(upstream.requests).to.have.length(0);
      expect((await post("/jobs/checked", {}, '{"account":"a"}')).status).to.equal(200);
    });

    it("a redriven dead letter runs once more, by a sweeper, and its mark is off", async () => {
      upstream.respond((_request, response) => response.destroy());
      const answer = await post("/jobs/dead", { "Idempotency-Key": "d1" });
      expect(answer.status).to.equal(502);
      const dead = await recordOf(answer);
      expect(dead).to.include({ deadLetter: "upstream", executed: "unknown" });
      upstream.respond((_request, response) => response.end("now it did"));
      const redriven = await redriveDeadLetter(cluster.nodes[2]!.engine.processes, dead);
      if (redriven.kind !== "rerun") throw new Error(redriven.kind);
      const end = await until(async () => {
        const { record } = await cluster.store.read(redriven.record, { withResult: false });
        return record!.status === "completed" ? record : null;
      }, tick);
      expect(end!.rerunOf).to.equal(dead.epoch);
      expect(upstream.last.headers.get("idempotency-key")).to.equal("d1");
      expect(Number(upstream.last.headers.get("sticky-fence"))).to.be.greaterThan(dead.fence);
      const marks = await cluster.store.deadLetters({ limit: 100, cursor: null });
      expect(marks.items.map(({ scope }) => scope)).not.to.include(dead.scope);
      const replayed = await post("/jobs/dead", { "Idempotency-Key": "d1" }, String(count));
      expect([replayed.headers.get("idempotent-replayed"), await replayed.text()]).to.deep.equal([
        "true",
        "now it did",
      ]);
    });

    it("holds requests while the service is paused, up to its queue, then answers 429; duplicates need no place", async () => {
      const first = await post("/paced/x", { "Idempotency-Key": "p1" }, "1");
      expect(first.status).to.equal(200);
      pacing.pause("paced", null, 1500);
      const held = [2, 3].map((n) => post("/paced/x", { "Idempotency-Key": `p${n}` }, String(n), n - 1));
      await until(async () => (await cluster.store.count("paced")).pending === 2);
      const refused = await post("/paced/x", { "Idempotency-Key": "p4" }, "4");
      expect(refused.status).to.equal(429);
      expect(Number(refused.headers.get("retry-after"))).to.be.within(1, 2);
      expect(await refused.json()).to.deep.include({
        type: "/_sticky/problems/rate-limited",
        executed: "no",
      });
      const replayed = await post("/paced/x", { "Idempotency-Key": "p1" }, "1");
      expect(replayed.headers.get("idempotent-replayed")).to.equal("true");
      expect(upstream.requests).to.have.length(1);
      for (const answer of await Promise.all(held)) expect(answer.status).to.equal(200);
      expect(upstream.requests).to.have.length(3);
    });

    it("a process that is still paused at its deadline ends then, executed no", async () => {
      pacing.pause("paced", null, 60_000);
      let isPaused = false;
      const answer = await post("/paced/x", { "Idempotency-Key": "d1", "Sticky-Deadline": "1" }).finally(
        () => {
          isPaused = pacing.isPaused("paced", "");
        },
      );
      expect(answer.status).to.equal(504);
      expect(await answer.json()).to.deep.include({
        type: "/_sticky/problems/deadline-exceeded",
        executed: "no",
      });
      expect([isPaused, upstream.requests.length]).to.deep.equal([true, 0]);
    });

    // Who owns it waits itself for up to half a lease.
    for (const [path, pauseMs] of [
      ["by-owner", 700],
      ["by-alarm", 2000],
    ] as const)
      it(`no attempt is sent while the service is paused, nor a re-run: they wait for the pause's end (${path})`, async () => {
        const wasPaused: boolean[] = [];
        upstream.respond((_request, response) => {
          wasPaused.push(pacing.isPaused("patient", ""));
          if (wasPaused.length === 1) pacing.pause("patient", null, pauseMs);
          response.writeHead(wasPaused.length === 1 ? 500 : 200).end();
        });
        let answer: Response | null = null;
        void post(`/patient/${path}`, { "Idempotency-Key": path }).then((now) => (answer = now));
        const { status, headers } = await until<Response>(() => answer, tick);
        expect([status, wasPaused]).to.deep.equal([200, [false, false]]);

        pacing.pause("patient", null, pauseMs);
        const id = headers.get("sticky-process-id")!;
        const rerun = await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}/rerun`, { method: "POST" });
        expect(await rerun.json()).to.include({ status: "pending" });
        await until(() => wasPaused.length === 3, tick);
        expect(wasPaused.at(-1)).to.equal(false);
      });
  });
