import { RawClient } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { suiteStores } from "../support/stores.ts";
import { startReportsService } from "./reports-service.ts";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`what is read of a process, over three replicas on ${kind}`, () => {
    const { replicas, newBody, submit, report, status, until } = startReportsService(openSuiteStore);

    it("is completed by a callback on any replica; any replica serves status and result, until the TTL ends", async () => {
      const { location, sent, body } = await submit("/reports/short");
      const progress = await report(sent, "heartbeat", '{"progress":{"percent":40,"message":"rendering"}}');
      expect(await progress.json()).to.deep.equal({ accepted: true, cancelRequested: false });
      expect((await status(location)).view).to.deep.include({
        progress: { percent: 40, message: "rendering" },
      });
      const running = await fetch(`${replicas.cluster.url(2)}${location}/result`);
      expect(running.status).to.equal(202);
      const completed = await report(sent, "complete", '{"pages":3}', 1, { "Sticky-Result-Status": "201" });
      expect(completed.status).to.equal(200);
      const { view } = await status(location);
      expect(view).to.include({ status: "completed", done: true, phase: null });
      expect(view!["outcome"]).to.deep.equal({ executed: "yes", httpStatus: 201 });
      const result = await fetch(`${replicas.cluster.url(0)}${location}/result`);
      expect(result.status).to.equal(201);
      expect(result.headers.get("content-type")).to.equal("application/json");
      expect(await result.json()).to.deep.equal({ pages: 3 });
      const identical = await fetch(`${replicas.cluster.url(1)}/reports/short`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
      expect(identical.status).to.equal(201);
      expect(identical.headers.get("idempotent-replayed")).to.equal("true");

      const expireAt = Date.parse(view!["expireTime"] as string);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, expireAt - Date.now()) + 5));
      expect((await fetch(`${replicas.cluster.url(2)}${location}`)).status).to.equal(410);
      const anew = await submit("/reports/short", body);
      expect(anew.status).to.equal(202);
      expect(anew.location).not.to.equal(location);
      expect(replicas.upstream.requests).to.have.length(2);
    });

    it("serves ranges and conditions of a stored result", async () => {
      const { location, sent } = await submit();
      await report(sent, "complete", "0123456789", 1, { "Content-Type": "text/plain" });
      const part = await fetch(`${replicas.cluster.url(1)}${location}/result`, {
        headers: { Range: "bytes=2-4" },
      });
      expect(part.status).to.equal(206);
      expect(part.headers.get("content-range")).to.equal("bytes 2-4/10");
      expect(await part.text()).to.equal("234");
      expect(
        (await fetch(`${replicas.cluster.url(1)}${location}/result`, { headers: { Range: "bytes=99-" } }))
          .status,
      ).to.equal(416);
    });

    it("a stored result answers 412 to a failed precondition, and HEAD with its length, whatever range it names", async () => {
      const { location, sent } = await submit();
      const result = `${replicas.cluster.url(1)}${location}/result`;
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
      const stream = await fetch(`${replicas.cluster.url(2)}${location}`, {
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
      const stream = await fetch(replicas.cluster.url(2) + location, {
        headers: { Accept: "text/event-stream", "Last-Event-ID": "999999" },
      });
      expect(stream.headers.get("sticky-process-id")).to.equal(id);
      expect(stream.headers.get("sticky-source")).to.equal("gateway");
      expect(await stream.text()).to.match(/event: completed\n/);
      const running = await submit();
      const head = await RawClient.connect(Number(new URL(replicas.cluster.url(2)).port));
      head.send(`HEAD ${running.location} HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n`);
      expect((await head.response({ head: true })).headers.get("content-type")).to.equal("text/event-stream");
      // The connection is free again: the stream was not begun.
      head.send(`GET ${running.location} HTTP/1.1\r\nHost: a\r\n\r\n`);
      expect((await head.response()).status).to.equal(200);
      head.close();
    });

    it("410 says of what has expired whether it ran", async () => {
      const ran = await submit("/reports/short");
      await report(ran.sent, "complete", "{}");
      const cancelled = await submit("/reports/short");
      await fetch(`${replicas.cluster.url(1)}${cancelled.location}/cancel`, { method: "POST" });
      const { view } = await status(cancelled.location);
      const left = Date.parse(view!["expireTime"] as string) - Date.now();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, left) + 5));
      for (const sweep of [() => Promise.resolve(0), () => replicas.cluster.sweeper.tick()]) {
        await sweep(); // the same before and after
        for (const [{ location }, executed] of [
          [ran, "yes"],
          [cancelled, "unknown"],
        ] as const)
          for (const page of [location, `${location}/result`]) {
            const answer = await fetch(replicas.cluster.url(2) + page);
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
        fetch(`${replicas.cluster.url(1)}/_sticky/v1/processes:lookup`, {
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
      expect((await fetch(replicas.cluster.url(1) + location, { method: "DELETE" })).status).to.equal(409);
      await report(sent, "complete", "{}");
      expect((await fetch(replicas.cluster.url(1) + location, { method: "DELETE" })).status).to.equal(204);
      expect((await fetch(replicas.cluster.url(2) + location)).status).to.equal(404);
    });
  });
