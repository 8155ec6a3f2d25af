import { parseProcessId, readSigningKey, signWebhook } from "@sticky-proxy/protocol";
import { FakeUpstream, RawClient, type RecordedRequest } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { suiteStores, type SuiteStore } from "../support/stores.ts";

const sharedToken = "a-token-that-both-sides-know";
const signingSecret = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`the process gateway, over three replicas on ${kind}`, () => {
    let suite: SuiteStore;
    let upstream: FakeUpstream;
    let cluster: Nodes;

    before(async () => {
      upstream = await FakeUpstream.start();
      suite = await openSuiteStore();
      cluster = await startNodes({
        count: 3,
        store: suite.store,
        yaml: `
services:
  reports:
    instances: [${upstream.origin}]
    routes:
      - match: { methods: [POST], path: /sync }
        process: { identity: request }
      - match: { methods: [POST], path: /short }
        process: { identity: request, completion: callback, resultTtlMs: 1500, tombstoneMs: 300 }
      - match: { methods: [POST], path: /held }
        process: { identity: request, completion: callback, waitMs: 20000, deadlineMs: 60000 }
      - match: { methods: [POST], path: /silent }
        process: { identity: request, completion: callback, heartbeatTimeoutMs: 200, deadlineMs: 60000 }
      - match: { methods: [POST], path: /own }
        process:
          identity: request
          completion: callback
          callback: { accept: { status: /state, completed: [done], result: /data, error: /why } }
      - match: { methods: [POST], path: /patient }
        retries: { attempts: 3, minMs: 60000, maxMs: 60000 }
        process: { identity: request, completion: callback, deadlineMs: 900000 }
      - match: { methods: [POST] }
        process: { identity: request, completion: callback, deadlineMs: 900000, allowOnDuplicate: [join, reject, replace] }
  fixed:
    instances: [${upstream.origin}]
    honoursKey: true
    callbackAuth: { sharedToken: ${sharedToken} }
    routes:
      - retries: { attempts: 2, minMs: 1, maxMs: 1 }
        process:
          identity: request
          completion: callback
          heartbeatTimeoutMs: 300
          onUnknown: retry
          callback: { correlate: { response: /id, callback: /id } }
  signed:
    instances: [${upstream.origin}]
    callbackAuth: { mode: both, secrets: ["${signingSecret}"] }
    routes:
      - process: { identity: request, completion: callback }
`,
      });
    });
    after(async () => {
      await cluster.close();
      await upstream.close();
      await suite.close();
    });
    let jobs = 0;
    beforeEach(() => {
      upstream.requests.length = 0;
      upstream.respond((_request, response) => response.writeHead(202).end("queued"));
    });

    function newBody(): string {
      return JSON.stringify({ job: (jobs += 1) });
    }
    async function submit(path = "/reports/run", body = newBody(), headers: Record<string, string> = {}) {
      const before = upstream.requests.length;
      const answer = await fetch(cluster.url(0) + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body,
      });
      await upstream.arrived(before + 1);
      const location = answer.headers.get("location") ?? "";
      return {
        answer,
        status: answer.status,
        location,
        id: location.split("/").at(-1)!,
        sent: upstream.last,
        body,
      };
    }
    /** Where nothing may reach the service. */
    function submitOnly(path: string, body: string, headers: Record<string, string>) {
      return fetch(cluster.url(0) + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body,
      });
    }
    function report(
      sent: RecordedRequest,
      action: string,
      body: string,
      node = 1,
      headers: Record<string, string> = {},
    ) {
      const url = new URL(sent.headers.get("sticky-callback-url")!.replace(/complete$/, action));
      return fetch(cluster.url(node) + url.pathname, {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          "Sticky-Execution": sent.headers.get("sticky-execution")!,
          ...headers,
        },
        body,
      });
    }
    async function status(location: string, node = 2, headers: Record<string, string> = {}) {
      const answer = await fetch(cluster.url(node) + location, { headers });
      return {
        answer,
        view: answer.status === 200 ? ((await answer.json()) as Record<string, unknown>) : null,
      };
    }
    /** Resolves when the process is where `is` wants it: long polls, no sleeps. */
    async function until(location: string, is: (view: Record<string, unknown>) => boolean) {
      let tag = '"v0"';
      for (;;) {
        const { answer, view } = await status(location, 1, {
          Prefer: "wait=2",
          "If-None-Match": tag,
        });
        if (view !== null && is(view)) return view;
        tag = answer.headers.get("etag") ?? tag;
      }
    }

    it("answers 202 with everything needed to follow the process, and tells the service how to report", async () => {
      const { answer, location, id, sent } = await submit();
      expect(answer.status).to.equal(202);
      expect(location).to.match(/^\/_sticky\/v1\/processes\/\d+\.[\w-]{22}\.[0-9a-z]+$/);
      expect(answer.headers.get("retry-after")).to.equal("1");
      expect(answer.headers.get("cache-control")).to.equal("no-store");
      expect(answer.headers.get("sticky-source")).to.equal("gateway");
      const view = (await answer.json()) as Record<string, unknown>;
      expect(view).to.include({ id, service: "reports", status: "in-progress", done: false, attempt: 1 });
      for (const name of [
        "sticky-process-id",
        "sticky-fence",
        "sticky-execution",
        "sticky-callback-url",
        "sticky-deadline",
      ]) {
        expect(sent.headers.get(name), name).to.be.a("string");
      }
      expect(sent.headers.get("sticky-process-id")).to.equal(id);
      expect(sent.headers.get("idempotency-key")).to.equal(`"${id}"`);
      expect(sent.headers.get("sticky-callback-url")).to.equal(
        `${cluster.url(0)}/_sticky/v1/executions/${id}/complete`,
      );
    });

    it("joins identical requests, however their JSON is written, and never shares between credentials", async () => {
      const first = await submit("/reports/run?b=2&a=1", '{"a":1,"b":[1,2]}');
      const again = await fetch(`${cluster.url(1)}/reports/run?a=1&b=2`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: '{ "b": [1, 2], "a": 1.0 }',
      });
      expect(again.status).to.equal(202);
      expect(again.headers.get("location")).to.equal(first.location);
      expect(again.headers.get("idempotent-replayed")).to.equal("true");
      const other = await submit("/reports/run?b=2&a=1", '{"a":1,"b":[1,2]}', {
        Authorization: "Bearer somebody",
      });
      expect(other.location).not.to.equal(first.location);
      expect(upstream.requests).to.have.length(2);
    });

    it("is completed by a callback on any replica; any replica serves status and result, until the TTL ends", async () => {
      const { location, sent, body } = await submit("/reports/short");
      const progress = await report(sent, "heartbeat", '{"progress":{"percent":40,"message":"rendering"}}');
      expect(await progress.json()).to.deep.equal({ accepted: true, cancelRequested: false });
      expect((await status(location)).view).to.deep.include({
        progress: { percent: 40, message: "rendering" },
      });
      const running = await fetch(`${cluster.url(2)}${location}/result`);
      expect(running.status).to.equal(202);
      const completed = await report(sent, "complete", '{"pages":3}', 1, { "Sticky-Result-Status": "201" });
      expect(completed.status).to.equal(200);
      const { view } = await status(location);
      expect(view).to.include({ status: "completed", done: true, phase: null });
      expect(view!["outcome"]).to.deep.equal({ executed: "yes", httpStatus: 201 });
      const result = await fetch(`${cluster.url(0)}${location}/result`);
      expect(result.status).to.equal(201);
      expect(result.headers.get("content-type")).to.equal("application/json");
      expect(await result.json()).to.deep.equal({ pages: 3 });
      const identical = await fetch(`${cluster.url(1)}/reports/short`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
      expect(identical.status).to.equal(201);
      expect(identical.headers.get("idempotent-replayed")).to.equal("true");

      const expireAt = Date.parse(view!["expireTime"] as string);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, expireAt - Date.now()) + 5));
      expect((await fetch(`${cluster.url(2)}${location}`)).status).to.equal(410);
      const anew = await submit("/reports/short", body);
      expect(anew.status).to.equal(202);
      expect(anew.location).not.to.equal(location);
      expect(upstream.requests).to.have.length(2);
    });

    it("serves ranges and conditions of a stored result", async () => {
      const { location, sent } = await submit();
      await report(sent, "complete", "0123456789", 1, { "Content-Type": "text/plain" });
      const part = await fetch(`${cluster.url(1)}${location}/result`, { headers: { Range: "bytes=2-4" } });
      expect(part.status).to.equal(206);
      expect(part.headers.get("content-range")).to.equal("bytes 2-4/10");
      expect(await part.text()).to.equal("234");
      expect(
        (await fetch(`${cluster.url(1)}${location}/result`, { headers: { Range: "bytes=99-" } })).status,
      ).to.equal(416);
    });

    it("a stored result answers 412 to a failed precondition, and HEAD with its length, whatever range it names", async () => {
      const { location, sent } = await submit();
      const result = `${cluster.url(1)}${location}/result`;
      const full = JSON.stringify({
        status: 200,
        headers: {
          "Content-Type": "text/plain",
          ETag: '"one"',
          "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT",
        },
        body: "0123456789",
      });
      await report(sent, "complete", full, 1, { "Content-Type": "application/vnd.sticky.result+json" });
      const statusFor = async (headers: Record<string, string>): Promise<number> =>
        (await fetch(result, { headers })).status;
      expect(await statusFor({ "If-Match": '"two", W/"one"' })).to.equal(412);
      expect(await statusFor({ "If-Match": '"two", "one"' })).to.equal(200);
      expect(await statusFor({ "If-Match": "*" })).to.equal(200);
      expect(await statusFor({ "If-Unmodified-Since": "Sat, 05 Nov 1994 08:49:37 GMT" })).to.equal(412);
      expect(await statusFor({ "If-Unmodified-Since": "Sun, 06 Nov 1994 08:49:37 GMT" })).to.equal(200);
      expect(await statusFor({ "If-None-Match": 'W/"one"' })).to.equal(304);
      const head = await fetch(result, { method: "HEAD", headers: { Range: "bytes=2-4" } });
      expect(head.status).to.equal(200);
      expect(head.headers.get("content-length")).to.equal("10");
    });

    it("415 for a body that is not JSON by its type", async () => {
      const { location, sent } = await submit();
      await report(sent, "complete", "{}");
      for (const [path, body] of [
        ["/_sticky/v1/processes:lookup", '{"service":"reports","idempotencyKey":"k"}'],
        [`${location}/rerun`, '{"cancelRunning":true}'],
      ]) {
        const answer = await fetch(`${cluster.url(1)}${path}`, { method: "POST", body: body! });
        expect(answer.status).to.equal(415);
        expect(await answer.json()).to.include({ type: "/_sticky/problems/unsupported-media-type" });
      }
    });

    it("ETag: 304 while nothing changed; a long poll wakes on another replica when it does", async () => {
      const { location, sent } = await submit();
      const view = await until(location, (v) => v["phase"] === "awaiting-callback");
      const tag = `"v${String(view["version"])}"`;
      const { answer } = await status(location, 0, { "If-None-Match": tag });
      expect(answer.status).to.equal(304);
      expect(answer.headers.get("etag")).to.equal(tag);
      const polled = status(location, 2, { "If-None-Match": tag, Prefer: "wait=20" });
      await report(sent, "complete", "{}", 0);
      expect((await polled).view).to.include({ status: "completed" });
      expect((await polled).answer.headers.get("preference-applied")).to.equal("wait=20");
    });

    it("server-sent events tell every version and close at the end", async () => {
      const { location, sent } = await submit();
      const stream = await fetch(`${cluster.url(2)}${location}`, {
        headers: { Accept: "text/event-stream" },
      });
      expect(stream.headers.get("content-type")).to.contain("text/event-stream");
      await until(location, (v) => v["phase"] === "awaiting-callback");
      await report(sent, "complete", "{}", 1);
      const text = await stream.text();
      expect(text).to.match(/event: in-progress\ndata: \{/);
      expect(text).to.match(/id: \d+\nevent: completed\ndata: \{.*"done":true/);
    });

    it("an event stream names its process, begins anew after an id it never told, and has no body for HEAD", async () => {
      const { location, id, sent } = await submit();
      await report(sent, "complete", "{}", 1);
      const stream = await fetch(cluster.url(2) + location, {
        headers: { Accept: "text/event-stream", "Last-Event-ID": "999999" },
      });
      expect(stream.headers.get("sticky-process-id")).to.equal(id);
      expect(stream.headers.get("sticky-source")).to.equal("gateway");
      expect(await stream.text()).to.match(/event: completed\n/);
      const running = await submit();
      const head = await RawClient.connect(Number(new URL(cluster.url(2)).port));
      head.send(`HEAD ${running.location} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n`);
      expect((await head.response({ head: true })).headers.get("content-type")).to.equal("text/event-stream");
      // The connection is free again: the stream was not begun.
      head.send(`GET ${running.location} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect((await head.response()).status).to.equal(200);
      head.close();
    });

    it("says on every reply that touched a process which one it was, and whose body it is", async () => {
      const { location, id, sent } = await submit();
      const heartbeat = await report(sent, "heartbeat", "{}");
      const completed = await report(sent, "complete", '{"a":1}');
      const again = await report(sent, "complete", '{"a":1}');
      const stale = await report(sent, "complete", '{"a":2}');
      const terminal = await fetch(`${cluster.url(1)}${location}/cancel`, { method: "POST" });
      const forgotten = await fetch(cluster.url(1) + location, { method: "DELETE" });
      expect([heartbeat, completed, again, stale, terminal, forgotten].map((r) => r.status)).to.deep.equal([
        200, 200, 200, 409, 409, 204,
      ]);
      for (const answer of [heartbeat, completed, again, stale, terminal, forgotten]) {
        expect(answer.headers.get("sticky-process-id")).to.equal(id);
        expect(answer.headers.get("sticky-source")).to.equal("gateway");
        expect(answer.headers.has("idempotent-replayed")).to.equal(true);
        expect(answer.headers.get("sticky-process-status")).to.equal(
          answer === heartbeat ? "in-progress" : "completed",
        );
      }
      expect(await terminal.json()).to.include({ service: "reports", processId: id });
      const document = await fetch(`${cluster.url(1)}/_sticky/problems/draining`);
      expect(document.headers.get("sticky-source")).to.equal("gateway");
    });

    it("respond-async with wait beside it holds the client that long, then answers 202", async () => {
      const asked = submit("/reports/held", newBody(), { Prefer: "respond-async, wait=20" });
      await upstream.arrived();
      await report(upstream.last, "complete", '{"ok":true}');
      const { answer } = await asked;
      expect(answer.status).to.equal(200);
      expect(answer.headers.get("preference-applied")).to.match(/^respond-async, wait=[1-9]/);
      const late = await submit("/reports/held", newBody(), { Prefer: "respond-async, wait=0" });
      expect(late.answer.status).to.equal(202);
    });

    it("a reserved path is answered however its letters are escaped", async () => {
      const { id } = await submit();
      for (const path of [
        `/_sticky/v1/processe%73/${id}`,
        `/%5fsticky/v1/processes/${id}`,
        "/_stick%79/openapi.json",
      ])
        expect((await fetch(cluster.url(1) + path)).status, path).to.equal(200);
      const none = await fetch(`${cluster.url(1)}/_sticky/v1/n%6fthing`, { method: "POST" });
      expect(none.status).to.equal(404);
    });

    it("Prefer: wait holds the client for the callback's result; respond-async does not", async () => {
      const held = fetch(`${cluster.url(0)}/reports/held`, { method: "POST", body: newBody() });
      await upstream.arrived(1);
      await report(upstream.last, "complete", '{"ok":true}', 2);
      const answer = await held;
      expect(answer.status).to.equal(200);
      expect(await answer.json()).to.deep.equal({ ok: true });
      const at = await submit("/reports/held", newBody(), { Prefer: "respond-async" });
      expect(at.status).to.equal(202);
      expect(at.answer.headers.get("preference-applied")).to.equal("respond-async");
    });

    it("a callback that comes before the service's own 202 counts, and the 202 changes nothing", async () => {
      const gate = Promise.withResolvers<void>();
      upstream.respond(async (request, response) => {
        expect((await report(request, "complete", '{"early":true}', 2)).status).to.equal(200);
        await gate.promise;
        response.writeHead(202).end();
      });
      const { location } = await submit();
      const view = await until(location, (v) => v["done"] === true);
      gate.resolve();
      expect(view).to.include({ status: "completed" });
      await cluster.nodes[0]!.engine.executor.idle();
      expect((await status(location)).view).to.include({ status: "completed", version: view["version"] });
    });

    it("fail ends the process with the service's own words", async () => {
      const { location, sent } = await submit();
      const failed = await report(sent, "fail", '{"title":"no paper","status":507,"executed":"yes"}', 1, {
        "Content-Type": "application/problem+json",
      });
      expect(failed.status).to.equal(200);
      expect((await status(location)).view).to.include({ status: "failed" });
      const result = await fetch(`${cluster.url(0)}${location}/result`);
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
      expect(await (await fetch(`${cluster.url(1)}${location}/result`)).json()).to.deep.equal({ a: 1 });
      expect((await cluster.store.timeline(parseProcessId(id)!)).map((entry) => entry["event"])).to.include(
        "late-report",
      );
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
      expect(await (await fetch(`${cluster.url(1)}${location}/result`)).json()).to.deep.equal({ a: 1 });
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
        const result = await fetch(`${cluster.url(2)}${location}/result`);
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
      upstream.respond((request, response) =>
        response
          .writeHead(202)
          .end(`{"id":"${request.headers.get("sticky-process-id")}/${upstream.requests.length}"}`),
      );
      const { location, id } = await submit("/fixed/run");
      const webhook = (job: number) =>
        fetch(`${cluster.url(1)}/_sticky/v1/callbacks/fixed`, {
          method: "POST",
          headers: { "Content-Type": "application/json", Authorization: `Bearer ${sharedToken}` },
          body: JSON.stringify({ id: `${id}/${job}` }),
        });
      let view = await until(location, (v) => v["phase"] === "awaiting-callback");
      while (view["attempt"] !== 2 || view["phase"] !== "awaiting-callback") {
        await cluster.sweeper.tick(); // silent for too long: sent again
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
        await fetch(cluster.url(0) + new URL(unknown).pathname, {
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
          const { requestId, ...body } = (await answer.json()) as Record<string, unknown>;
          expect(requestId).to.be.a("string");
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

    describe("cancel", () => {
      it("while the request is being forwarded: the service's connection is closed, late results are refused", async () => {
        const closed = Promise.withResolvers<void>();
        upstream.respond((_request, response) => {
          response.once("close", () => closed.resolve());
        });
        const { location, sent } = await submit("/reports/sync");
        const cancelled = await fetch(`${cluster.url(1)}${location}/cancel`, { method: "POST" });
        expect(cancelled.status).to.equal(200);
        expect(await cancelled.json()).to.include({ status: "cancelled", cancelRequested: true });
        await closed.promise;
        expect((await report(sent, "complete", "{}")).status).to.equal(409);
        const beat = await report(sent, "heartbeat", "{}");
        expect(await beat.json()).to.include({ cancelRequested: true });
        expect((await fetch(`${cluster.url(2)}${location}/cancel`, { method: "POST" })).status).to.equal(200);
        const result = await fetch(`${cluster.url(2)}${location}/result`);
        expect(result.status).to.equal(409);
        expect(await result.json()).to.include({ type: "/_sticky/problems/process-cancelled" });
      });

      it("while the callback is awaited; afterwards the identical request starts anew", async () => {
        const { location, body } = await submit();
        await until(location, (v) => v["phase"] === "awaiting-callback");
        expect((await fetch(`${cluster.url(1)}${location}/cancel`, { method: "POST" })).status).to.equal(200);
        expect((await submit("/reports/run", body)).location).not.to.equal(location);
        const { outcome } = (await status(location)).view as {
          outcome: { problem: { retryable: boolean; executed: string } };
        };
        const said = (await (await fetch(`${cluster.url(1)}${location}/result`)).json()) as object;
        expect(said).to.include({ retryable: true, executed: outcome.problem.executed });
        expect(outcome.problem.retryable).to.equal(true);
      });

      it("409 process-terminal after the end", async () => {
        const { location, sent } = await submit();
        await report(sent, "complete", "{}");
        const answer = await fetch(`${cluster.url(1)}${location}/cancel`, { method: "POST" });
        expect(answer.status).to.equal(409);
        expect(await answer.json()).to.include({ type: "/_sticky/problems/process-terminal" });
      });
    });

    it("Sticky-Force runs again now: the running one is cancelled, its waiters get 409 with the successor", async () => {
      const body = newBody();
      const held = fetch(`${cluster.url(1)}/reports/held`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
      await upstream.arrived(1);
      const first = upstream.last;
      const forced = await submit("/reports/held", body, { "Sticky-Force": "true", Prefer: "respond-async" });
      expect(forced.status).to.equal(202);
      const superseded = await held;
      expect(superseded.status).to.equal(409);
      expect(superseded.headers.get("link")).to.contain(forced.location).and.to.contain("successor");
      await upstream.arrived(2);
      expect(Number(upstream.last.headers.get("sticky-fence"))).to.be.greaterThan(
        Number(first.headers.get("sticky-fence")),
      );
      expect((await report(first, "complete", '{"old":true}')).status).to.equal(409);
      const old = await status(`/_sticky/v1/processes/${first.headers.get("sticky-process-id")!}`);
      expect(old.view).to.include({ status: "cancelled", supersededBy: forced.id });
    });

    it("Sticky-On-Duplicate: reject refuses, replace cancels the running one and starts anew", async () => {
      const { location, body } = await submit();
      const rejected = await submitOnly("/reports/run", body, { "Sticky-On-Duplicate": "reject" });
      expect(rejected.status).to.equal(409);
      expect(rejected.headers.get("link")).to.contain(location);
      const replaced = await submit("/reports/run", body, { "Sticky-On-Duplicate": "replace" });
      expect(replaced.status).to.equal(202);
      expect(replaced.location).not.to.equal(location);
      expect((await status(location)).view).to.include({ status: "cancelled", supersededBy: replaced.id });
      const bad = await submitOnly("/reports/run", body, { "Sticky-On-Duplicate": "perhaps" });
      expect(bad.status).to.equal(400);
    });

    it("Sticky-Deadline tightens the route's own: the process fails with deadline-exceeded, executed unknown", async () => {
      const { location, sent } = await submit("/reports/run", newBody(), { "Sticky-Deadline": "1" });
      expect(Date.parse(sent.headers.get("sticky-deadline")!)).to.be.lessThan(Date.now() + 1100);
      let view = await until(location, () => true);
      while (view["done"] === false) {
        await cluster.sweeper.tick();
        view = await until(location, () => true);
      }
      expect(view).to.include({ status: "failed" });
      const result = await fetch(`${cluster.url(1)}${location}/result`);
      expect(result.status).to.equal(504);
      expect(await result.json()).to.include({
        type: "/_sticky/problems/deadline-exceeded",
        executed: "unknown",
      });
    });

    it("rerun through the process API, once per Idempotency-Key", async () => {
      const { location, sent } = await submit();
      const running = await fetch(`${cluster.url(1)}${location}/rerun`, { method: "POST" });
      expect(running.status).to.equal(409);
      expect(await running.json()).to.include({ type: "/_sticky/problems/process-running" });
      await report(sent, "complete", "{}");
      const rerun = () =>
        fetch(`${cluster.url(1)}${location}/rerun`, {
          method: "POST",
          headers: { "Idempotency-Key": "again" },
        });
      const once = await rerun();
      expect(once.status).to.equal(202);
      expect(await once.json()).to.include({ rerunOf: location.split("/").at(-1) });
      expect((await rerun()).headers.get("location")).to.equal(once.headers.get("location"));
      await upstream.arrived(2);
      expect(upstream.requests).to.have.length(2);
      expect(upstream.last.body.toString()).to.equal(sent.body.toString());
      const other = await fetch(`${cluster.url(2)}${location}/rerun`, {
        method: "POST",
        headers: { "Idempotency-Key": "again", "Content-Type": "application/json" },
        body: '{"cancelRunning":true}',
      });
      expect(other.status).to.equal(422);
      expect(await other.json()).to.include({ type: "/_sticky/problems/idempotency-key-reused" });
    });

    it("one key asked for on all replicas at once makes one re-run, and each is told of it", async () => {
      const { location, sent } = await submit("/reports/sync");
      await report(sent, "complete", "{}");
      upstream.respond((_request, response) => response.end("again")); // at its end before the others have asked
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          fetch(`${cluster.url(i)}${location}/rerun`, {
            method: "POST",
            headers: { "Idempotency-Key": "at once" },
          }),
        ),
      );
      expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 202));
      expect(new Set(answers.map(({ headers }) => headers.get("location"))).size).to.equal(1);
      for (const { engine } of cluster.nodes) await engine.executor.idle();
      expect(upstream.requests).to.have.length(2);
    });

    it("410 says of what has expired whether it ran", async () => {
      const ran = await submit("/reports/short");
      await report(ran.sent, "complete", "{}");
      const cancelled = await submit("/reports/short");
      await fetch(`${cluster.url(1)}${cancelled.location}/cancel`, { method: "POST" });
      const { view } = await status(cancelled.location);
      const left = Date.parse(view!["expireTime"] as string) - Date.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, left) + 5));
      for (const sweep of [() => Promise.resolve(0), () => cluster.sweeper.tick()]) {
        await sweep(); // the same before and after
        for (const [{ location }, executed] of [
          [ran, "yes"],
          [cancelled, "unknown"],
        ] as const)
          for (const page of [location, `${location}/result`]) {
            const answer = await fetch(cluster.url(2) + page);
            expect([answer.status, ((await answer.json()) as { executed: string }).executed]).to.deep.equal([
              410,
              executed,
            ]);
          }
      }
    });

    it("a key finds its process until its result's end, swept or not", async () => {
      const owner = { Authorization: "Bearer finder" };
      const { sent, body } = await submit("/reports/short", newBody(), {
        "Idempotency-Key": "to be found",
        ...owner,
      });
      const lookUp = () =>
        fetch(`${cluster.url(1)}/_sticky/v1/processes:lookup`, {
          method: "POST",
          headers: { "Content-Type": "application/json", ...owner },
          body: '{"service":"reports","idempotencyKey":"to be found"}',
        });
      await report(sent, "complete", body);
      const found = (await (await lookUp()).json()) as { status: string; expireTime: string };
      expect(found.status).to.equal("completed");
      const left = Date.parse(found.expireTime) - Date.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, left) + 5));
      expect((await lookUp()).status).to.equal(404);
    });

    it("forgets a finished process on DELETE, not a running one", async () => {
      const { location, sent } = await submit();
      expect((await fetch(cluster.url(1) + location, { method: "DELETE" })).status).to.equal(409);
      await report(sent, "complete", "{}");
      expect((await fetch(cluster.url(1) + location, { method: "DELETE" })).status).to.equal(204);
      expect((await fetch(cluster.url(2) + location)).status).to.equal(404);
    });

    for (const id of [
      "nonsense",
      "0.AAAAAAAAAAAAAAAAAAAAAA.1",
      "1.*.1",
      "x".repeat(5000),
      "5.AAAAAAAAAAAAAAAAAAAAAA.1k9f",
    ]) {
      it(`404 process-not-found for ${id.slice(0, 40)}`, async () => {
        const answer = await fetch(`${cluster.url()}/_sticky/v1/processes/${encodeURIComponent(id)}`);
        expect(answer.status).to.equal(404);
        expect(await answer.json()).to.include({ type: "/_sticky/problems/process-not-found" });
      });
    }

    it("405 with Allow for a method that a process does not have, and a page for every problem type", async () => {
      const answer = await fetch(`${cluster.url()}/_sticky/v1/processes/x/cancel`);
      expect(answer.status).to.equal(405);
      expect(answer.headers.get("allow")).to.contain("POST");
      const page = await fetch(`${cluster.url()}/_sticky/problems/process-terminal`);
      expect(await page.json()).to.include({ status: 409, type: "/_sticky/problems/process-terminal" });
    });

    it("the sweeper fails a process whose service stays silent, keeps a dead letter and frees the identity", async () => {
      const { location, body } = await submit("/reports/silent");
      await until(location, (v) => v["phase"] === "awaiting-callback");
      let view = await until(location, () => true);
      while (view["done"] === false) {
        await cluster.sweeper.tick();
        view = await until(location, () => true);
      }
      expect(view).to.include({ status: "failed" });
      expect((view["outcome"] as { executed: string }).executed).to.equal("unknown");
      const letters = await cluster.store.deadLetters({ limit: 10, cursor: null });
      expect(letters.items.map((r) => r.deadLetter)).to.include("callback");
      expect((await submit("/reports/silent", body)).location).not.to.equal(location);
    });
  });
