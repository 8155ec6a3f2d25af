import { expect } from "chai";
import { suiteStores } from "../support/stores.ts";
import { startReportsService } from "./reports-service.ts";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`cancel, force, replace, deadline and re-run, over three replicas on ${kind}`, () => {
    const { replicas, newBody, submit, submitOnly, report, status, until } =
      startReportsService(openSuiteStore);

    describe("cancel", () => {
      it("while the request is being forwarded: the service's connection is closed, late results are refused", async () => {
        const closed = Promise.withResolvers<void>();
        replicas.upstream.respond((_request, response) => {
          response.once("close", () => closed.resolve());
        });
        const { location, sent } = await submit("/reports/sync");
        const cancelled = await fetch(`${replicas.cluster.url(1)}${location}/cancel`, { method: "POST" });
        expect(cancelled.status).to.equal(200);
        expect(await cancelled.json()).to.include({ status: "cancelled", cancelRequested: true });
        await closed.promise;
        expect((await report(sent, "complete", "{}")).status).to.equal(409);
        const beat = await report(sent, "heartbeat", "{}");
        expect(await beat.json()).to.include({ cancelRequested: true });
        expect(
          (await fetch(`${replicas.cluster.url(2)}${location}/cancel`, { method: "POST" })).status,
        ).to.equal(200);
        const result = await fetch(`${replicas.cluster.url(2)}${location}/result`);
        expect(result.status).to.equal(409);
        expect(await result.json()).to.include({ type: "/_sticky/problems/process-cancelled" });
      });

      it("while the callback is awaited; afterwards the identical request starts anew", async () => {
        const { location, body } = await submit();
        await until(location, (v) => v["phase"] === "awaiting-callback");
        expect(
          (await fetch(`${replicas.cluster.url(1)}${location}/cancel`, { method: "POST" })).status,
        ).to.equal(200);
        expect((await submit("/reports/run", body)).location).not.to.equal(location);
        const { outcome } = (await status(location)).view as {
          outcome: { problem: { retryable: boolean; executed: string } };
        };
        const said = (await (await fetch(`${replicas.cluster.url(1)}${location}/result`)).json()) as object;
        expect(said).to.include({ retryable: true, executed: outcome.problem.executed });
        expect(outcome.problem.retryable).to.equal(true);
      });

      it("409 process-terminal after the end", async () => {
        const { location, sent } = await submit();
        await report(sent, "complete", "{}");
        const answer = await fetch(`${replicas.cluster.url(1)}${location}/cancel`, { method: "POST" });
        expect(answer.status).to.equal(409);
        expect(await answer.json()).to.include({ type: "/_sticky/problems/process-terminal" });
      });
    });

    it("Sticky-Force runs again now: the running one is cancelled, its waiters get 409 with the successor", async () => {
      const body = newBody();
      const held = fetch(`${replicas.cluster.url(1)}/reports/held`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body,
      });
      await replicas.upstream.arrived(1);
      const first = replicas.upstream.last;
      const forced = await submit("/reports/held", body, { "Sticky-Force": "true", Prefer: "respond-async" });
      expect(forced.status).to.equal(202);
      const superseded = await held;
      expect(superseded.status).to.equal(409);
      expect(superseded.headers.get("link")).to.contain(forced.location).and.to.contain("successor");
      await replicas.upstream.arrived(2);
      expect(Number(replicas.upstream.last.headers.get("sticky-fence"))).to.be.greaterThan(
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
        await replicas.cluster.sweeper.tick();
        view = await until(location, () => true);
      }
      expect(view).to.include({ status: "failed" });
      const result = await fetch(`${replicas.cluster.url(1)}${location}/result`);
      expect(result.status).to.equal(504);
      expect(await result.json()).to.include({
        type: "/_sticky/problems/deadline-exceeded",
        executed: "unknown",
      });
    });

    it("rerun through the process API, once per Idempotency-Key", async () => {
      const { location, sent } = await submit();
      const running = await fetch(`${replicas.cluster.url(1)}${location}/rerun`, { method: "POST" });
      expect(running.status).to.equal(409);
      expect(await running.json()).to.include({ type: "/_sticky/problems/process-running" });
      await report(sent, "complete", "{}");
      const rerun = () =>
        fetch(`${replicas.cluster.url(1)}${location}/rerun`, {
          method: "POST",
          headers: { "Idempotency-Key": "again" },
        });
      const once = await rerun();
      expect(once.status).to.equal(202);
      expect(await once.json()).to.include({ rerunOf: location.split("/").at(-1) });
      expect((await rerun()).headers.get("location")).to.equal(once.headers.get("location"));
      await replicas.upstream.arrived(2);
      expect(replicas.upstream.requests).to.have.length(2);
      expect(replicas.upstream.last.body.toString()).to.equal(sent.body.toString());
      const other = await fetch(`${replicas.cluster.url(2)}${location}/rerun`, {
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
      replicas.upstream.respond((_request, response) => response.end("again")); // at its end before the others have asked
      const answers = await Promise.all(
        Array.from({ length: 12 }, (_, i) =>
          fetch(`${replicas.cluster.url(i)}${location}/rerun`, {
            method: "POST",
            headers: { "Idempotency-Key": "at once" },
          }),
        ),
      );
      expect(answers.map(({ status }) => status)).to.deep.equal(answers.map(() => 202));
      expect(new Set(answers.map(({ headers }) => headers.get("location"))).size).to.equal(1);
      for (const { engine } of replicas.cluster.nodes) await engine.executor.idle();
      expect(replicas.upstream.requests).to.have.length(2);
    });
  });
