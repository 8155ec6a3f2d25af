import { parseProcessId, readSigningKey, signWebhook } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { suiteStores } from "../support/stores.ts";
import { sharedToken, signingSecret, startReportsService } from "./reports-service.ts";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`what services report, over three replicas on ${kind}`, () => {
    const { replicas, submit, report, status, until } = startReportsService(openSuiteStore);

    it("a callback that comes before the service's own 202 counts, and the 202 changes nothing", async () => {
      const gate = Promise.withResolvers<void>();
      replicas.upstream.respond(async (request, response) => {
        expect((await report(request, "complete", '{"early":true}', 2)).status).to.equal(200);
        await gate.promise;
        response.writeHead(202).end();
      });
      const { location } = await submit();
      const view = await until(location, (v) => v["done"] === true);
      gate.resolve();
      expect(view).to.include({ status: "completed" });
      await replicas.cluster.nodes[0]!.engine.executor.idle();
      expect((await status(location)).view).to.include({ status: "completed", version: view["version"] });
    });

    it("fail ends the process with the service's own words", async () => {
      const { location, sent } = await submit();
      const failed = await report(sent, "fail", '{"title":"no paper","status":507,"executed":"yes"}', 1, {
        "Content-Type": "application/problem+json",
      });
      expect(failed.status).to.equal(200);
      expect((await status(location)).view).to.include({ status: "failed" });
      const result = await fetch(`${replicas.cluster.url(0)}${location}/result`);
      expect(result.status).to.equal(507);
      expect(await result.json()).to.include({ title: "no paper" });
    });

    it("the same report again is a duplicate; another one after the end is stale and stands in the timeline", async () => {
      const { location, sent, id } = await submit();
      expect((await report(sent, "complete", '{"a":1}')).status).to.equal(200);
      const again = await report(sent, "complete", '{"a":1}', 2);
      expect(again.status).to.equal(200);
      expect(await again.json()).to.deep.equal({ accepted: true, duplicate: true });
      const other = await report(sent, "complete", '{"a":2}', 2);
      expect(other.status).to.equal(409);
      expect(await other.json()).to.include({ type: "/_sticky/problems/execution-stale" });
      expect(await (await fetch(`${replicas.cluster.url(1)}${location}/result`)).json()).to.deep.equal({
        a: 1,
      });
      const forged = await report(sent, "complete", "{}", 0, { "Sticky-Execution": "1.forged" });
      expect(forged.status).to.equal(401);
      const timeline = await replicas.cluster.store.timeline(parseProcessId(id)!);
      const told = (event: string) => timeline.find((entry) => entry.event === event);
      expect(told("accepted")).to.have.property("instance");
      expect(told("duplicate-report")).to.include({ report: "called-back" });
      expect(told("late-report")).to.include({ report: "called-back", status: "completed" });
      expect(told("callback-unauthorized")).to.include({
        why: "token-wrong",
        action: "complete",
        peer: "127.0.0.1",
      });
    });

    it("a message that comes again under its webhook-id is a duplicate, whatever it says now, and moves nothing", async () => {
      const failure = '{"title":"busy","retryable":true,"executed":"no"}';
      const { location, sent } = await submit("/reports/patient");
      const first = await report(sent, "fail", failure, 1, { "webhook-id": "msg_1" });
      expect(await first.json()).to.deep.equal({ accepted: true, cancelRequested: false });
      const { version, nextAttemptTime } = (await status(location)).view!;
      for (const [node, id] of [
        [0, "msg_1"],
        [2, "msg_2"],
      ] as const) {
        const again = await report(sent, "fail", failure, node, { "webhook-id": id });
        expect(await again.json()).to.deep.equal({ accepted: true, duplicate: true });
      }
      expect((await status(location)).view).to.include({ version, nextAttemptTime, phase: "backing-off" });
      expect((await report(sent, "complete", '{"a":1}', 1, { "webhook-id": "msg_3" })).status).to.equal(200);
      const resent = await report(sent, "complete", '{"a":1,"sent":2}', 2, { "webhook-id": "msg_3" });
      expect(await resent.json()).to.deep.equal({ accepted: true, duplicate: true });
      expect((await report(sent, "complete", '{"a":2}', 2, { "webhook-id": "msg_4" })).status).to.equal(409);
      expect(await (await fetch(`${replicas.cluster.url(1)}${location}/result`)).json()).to.deep.equal({
        a: 1,
      });
    });

    it("reads the service's own payload where the route says how, also with the token in a header field", async () => {
      const outcomes = [];
      for (const [body, type] of [
        ['{"state":"failed","why":"no paper"}', "application/json"],
        ['{"state":"done","data":{"a":1}}', "application/json"],
        ['{"a":2}', "application/json"],
        ['{"status":201,"body":{"state":"failed"}}', "application/vnd.sticky.result+json"],
      ] as const) {
        const { location, sent } = await submit("/reports/own");
        expect((await report(sent, "complete", body, 1, { "Content-Type": type })).status).to.equal(200);
        const result = await fetch(`${replicas.cluster.url(2)}${location}/result`);
        outcomes.push([(await status(location)).view!["status"], result.status, await result.json()]);
      }
      expect(outcomes).to.deep.equal([
        ["failed", 502, "no paper"],
        ["completed", 200, { a: 1 }],
        ["completed", 200, { a: 2 }],
        ["completed", 201, { state: "failed" }],
      ]);
    });

    it("at a fixed address, a webhook for the job of an earlier attempt is stale once the next one was sent", async () => {
      replicas.upstream.respond((request, response) =>
        response
          .writeHead(202)
          .end(`{"id":"${request.headers.get("sticky-process-id")}/${replicas.upstream.requests.length}"}`),
      );
      const { location, id } = await submit("/fixed/run");
      const webhook = (job: number) =>
        fetch(`${replicas.cluster.url(1)}/_sticky/v1/callbacks/fixed`, {
          method: "POST",
          headers: { "Content-Type": "application/json", Authorization: `Bearer ${sharedToken}` },
          body: JSON.stringify({ id: `${id}/${job}` }),
        });
      let view = await until(location, (v) => v["phase"] === "awaiting-callback");
      while (view["attempt"] !== 2 || view["phase"] !== "awaiting-callback") {
        await replicas.cluster.sweeper.tick(); // silent for too long: sent again
        view = await until(location, () => true);
      }
      const late = await webhook(1);
      expect([late.status, ((await late.json()) as { type: string }).type]).to.deep.equal([
        409,
        "/_sticky/problems/execution-stale",
      ]);
      expect((await webhook(2)).status).to.equal(200);
      expect((await status(location)).view).to.include({ status: "completed", attempt: 2 });
    });

    it("401 alike for no token, a wrong one, another process's, an earlier form, and an unknown process", async () => {
      const { sent } = await submit();
      const other = await submit();
      const unknown = sent.headers
        .get("sticky-callback-url")!
        .replace(/\/[^/]+\/complete$/, "/0.AAAAAAAAAAAAAAAAAAAAAA.1/complete");
      const answers = [
        await report(sent, "complete", "{}", 1, { "Sticky-Execution": "" }),
        await report(sent, "complete", "{}", 1, { "Sticky-Execution": `1.${"A".repeat(43)}` }),
        await report(sent, "complete", "{}", 1, {
          "Sticky-Execution": other.sent.headers.get("sticky-execution")!,
        }),
        await report(sent, "complete", "{}", 1, { "Sticky-Execution": "junk" }),
        await fetch(replicas.cluster.url(0) + new URL(unknown).pathname, {
          method: "POST",
          headers: {
            "Content-Type": "application/json",
            "Sticky-Execution": sent.headers.get("sticky-execution")!,
          },
          body: "{}",
        }),
      ];
      const bodies = await Promise.all(
        answers.map(async (answer) => {
          const { requestId, instance, ...body } = (await answer.json()) as Record<string, unknown>;
          expect(instance).to.equal(`urn:sticky-proxy:request:${String(requestId)}`);
          return { status: answer.status, ...body };
        }),
      );
      for (const body of bodies) expect(body).to.deep.equal(bodies[0]);
      expect(bodies[0]).to.include({ status: 401, type: "/_sticky/problems/unauthorized" });
    });

    it("wants a signature over the raw bytes where the service signs, and takes any of several keys", async () => {
      const { sent } = await submit("/signed/run");
      const key = readSigningKey(signingSecret)!;
      const wrong = { bytes: Buffer.alloc(32, 9) };
      const body = '{"amount":1.0}';
      const signed = (text: string, keys: (typeof key)[], at = Date.now()) =>
        signWebhook("msg_1", Buffer.from(text), keys, at) as unknown as Record<string, string>;
      expect((await report(sent, "complete", body)).status).to.equal(401);
      expect((await report(sent, "complete", body, 1, signed('{"amount":1}', [key]))).status).to.equal(401);
      expect((await report(sent, "complete", body, 1, signed(body, [wrong]))).status).to.equal(401);
      expect(
        (await report(sent, "complete", body, 1, signed(body, [key], Date.now() - 301_000))).status,
      ).to.equal(401);
      expect((await report(sent, "complete", body, 1, signed(body, [wrong, key]))).status).to.equal(200);
      expect(await (await report(sent, "complete", body, 2, signed(body, [key]))).json()).to.include({
        duplicate: true,
      });
    });

    it("413, 415, 400 and 422 for callbacks that cannot be read", async () => {
      const { sent } = await submit();
      expect((await report(sent, "complete", "x".repeat(30_000_000))).status).to.equal(413);
      expect((await report(sent, "heartbeat", "x", 1, { "Content-Type": "text/plain" })).status).to.equal(
        415,
      );
      expect((await report(sent, "heartbeat", "{")).status).to.equal(400);
      expect((await report(sent, "heartbeat", '{"extendMs":-1}')).status).to.equal(422);
    });

    it("the sweeper fails a process whose service stays silent, keeps a dead letter and frees the identity", async () => {
      const { location, body } = await submit("/reports/silent");
      await until(location, (v) => v["phase"] === "awaiting-callback");
      let view = await until(location, () => true);
      while (view["done"] === false) {
        await replicas.cluster.sweeper.tick();
        view = await until(location, () => true);
      }
      expect(view).to.include({ status: "failed" });
      expect((view["outcome"] as { executed: string }).executed).to.equal("unknown");
      const letters = await replicas.cluster.store.deadLetters({ limit: 10, cursor: null });
      expect(letters.items.map((r) => r.deadLetter)).to.include("callback");
      expect((await submit("/reports/silent", body)).location).not.to.equal(location);
    });
  });
