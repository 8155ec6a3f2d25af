import { expect } from "chai";
import { suiteStores } from "../support/stores.ts";
import { startReportsService } from "./reports-service.ts";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`submitting to the process gateway, over three replicas on ${kind}`, () => {
    const { replicas, newBody, submit, report } = startReportsService(openSuiteStore);

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
        `${replicas.cluster.url(0)}/_sticky/v1/executions/${id}/complete`,
      );
    });

    it("joins identical requests, however their JSON is written, and never shares between credentials", async () => {
      const first = await submit("/reports/run?b=2&a=1", '{"a":1,"b":[1,2]}');
      const again = await fetch(`${replicas.cluster.url(1)}/reports/run?a=1&b=2`, {
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
      expect(replicas.upstream.requests).to.have.length(2);
    });

    it("415 for a body that is not JSON by its type", async () => {
      const { location, sent } = await submit();
      await report(sent, "complete", "{}");
      for (const [path, body] of [
        ["/_sticky/v1/processes:lookup", '{"service":"reports","idempotencyKey":"k"}'],
        [`${location}/rerun`, '{"cancelRunning":true}'],
      ]) {
        const answer = await fetch(`${replicas.cluster.url(1)}${path}`, { method: "POST", body: body! });
        expect(answer.status).to.equal(415);
        expect(await answer.json()).to.include({ type: "/_sticky/problems/unsupported-media-type" });
      }
    });

    it("says on every reply that touched a process which one it was, and whose body it is", async () => {
      const { location, id, sent } = await submit();
      const heartbeat = await report(sent, "heartbeat", "{}");
      const completed = await report(sent, "complete", '{"a":1}');
      const again = await report(sent, "complete", '{"a":1}');
      const stale = await report(sent, "complete", '{"a":2}');
      const terminal = await fetch(`${replicas.cluster.url(1)}${location}/cancel`, { method: "POST" });
      const forgotten = await fetch(replicas.cluster.url(1) + location, { method: "DELETE" });
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
      const document = await fetch(`${replicas.cluster.url(1)}/_sticky/problems/draining`);
      expect(document.headers.get("sticky-source")).to.equal("gateway");
    });

    it("respond-async with wait beside it holds the client that long, then answers 202", async () => {
      const asked = submit("/reports/held", newBody(), { Prefer: "respond-async, wait=20" });
      await replicas.upstream.arrived();
      await report(replicas.upstream.last, "complete", '{"ok":true}');
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
        expect((await fetch(replicas.cluster.url(1) + path)).status, path).to.equal(200);
      const none = await fetch(`${replicas.cluster.url(1)}/_sticky/v1/n%6fthing`, { method: "POST" });
      expect(none.status).to.equal(404);
    });

    it("Prefer: wait holds the client for the callback's result; respond-async does not", async () => {
      const held = fetch(`${replicas.cluster.url(0)}/reports/held`, { method: "POST", body: newBody() });
      await replicas.upstream.arrived(1);
      await report(replicas.upstream.last, "complete", '{"ok":true}', 2);
      const answer = await held;
      expect(answer.status).to.equal(200);
      expect(await answer.json()).to.deep.equal({ ok: true });
      const at = await submit("/reports/held", newBody(), { Prefer: "respond-async" });
      expect(at.status).to.equal(202);
      expect(at.answer.headers.get("preference-applied")).to.equal("respond-async");
    });

    for (const id of [
      "nonsense",
      "0.AAAAAAAAAAAAAAAAAAAAAA.1",
      "1.*.1",
      "x".repeat(5000),
      "5.AAAAAAAAAAAAAAAAAAAAAA.1k9f",
    ]) {
      it(`404 process-not-found for ${id.slice(0, 40)}`, async () => {
        const answer = await fetch(
          `${replicas.cluster.url()}/_sticky/v1/processes/${encodeURIComponent(id)}`,
        );
        expect(answer.status).to.equal(404);
        expect(await answer.json()).to.include({ type: "/_sticky/problems/process-not-found" });
      });
    }

    it("405 with Allow for a method that a process does not have, and a page for every problem type", async () => {
      const answer = await fetch(`${replicas.cluster.url()}/_sticky/v1/processes/x/cancel`);
      expect(answer.status).to.equal(405);
      expect(answer.headers.get("allow")).to.contain("POST");
      const page = await fetch(`${replicas.cluster.url()}/_sticky/problems/process-terminal`);
      expect(await page.json()).to.include({ status: 409, type: "/_sticky/problems/process-terminal" });
    });
  });
