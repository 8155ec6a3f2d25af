/** Services that answer later, in the orders and forms in which they really do. */
import { FakeUpstream, type RecordedRequest } from "@sticky-proxy/testkit";
import { expect } from "chai";
import type { ServerResponse } from "node:http";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { suiteStores, type SuiteStore } from "../support/stores.ts";
import { until } from "../support/until.ts";

const token = "one-shared-token-for-all-the-reports";
const json = { "Content-Type": "application/json" };

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`services that answer later, on ${kind}`, () => {
    let suite: SuiteStore;
    let upstream: FakeUpstream;
    let cluster: Nodes;

    before(async () => {
      upstream = await FakeUpstream.start();
      suite = await openSuiteStore();
      const correlated = (accept: string) =>
        `{ identity: key, waitMs: 20000, completion: callback, callback: { correlate: { response: /job, callback: /job }, accept: ${accept} } }`;
      cluster = await startNodes({
        count: 2,
        store: suite.store,
        yaml: `
services:
  jobs:
    instances: [${upstream.origin}]
    callbackAuth: { sharedToken: ${token} }
    routes:
      - match: { path: /fixed }
        process: ${correlated("{ status: /is, completed: [done], failed: [broken], result: /paper, error: /why }")}
  whole:
    instances: [${upstream.origin}]
    callbackAuth: { sharedToken: ${token} }
    routes:
      - match: { path: /fixed }
        process: ${correlated("null")}
  polled:
    instances: [${upstream.origin}]
    routes:
      - process: { identity: key, waitMs: 20000, pollLocation: { minMs: 10, maxMs: 20, running: [queued] } }
`,
      });
    });
    after(async () => {
      await cluster.close();
      await upstream.close();
      await suite.close();
    });

    let keys = 0;
    const ask = (path: string, headers: Record<string, string> = {}) =>
      fetch(cluster.url(0) + path, {
        method: "POST",
        headers: { ...json, "Idempotency-Key": `later-${kind}-${keys++}`, ...headers },
        body: "{}",
      });
    const webhook = (service: string, body: string, headers: Record<string, string> = {}) =>
      fetch(`${cluster.url(1)}/_sticky/v1/callbacks/${service}`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, ...json, ...headers },
        body,
      });

    /** The service reports to another replica and waits for its answer before it says 202. */
    function reportsFirst(
      service: string,
      id: string,
      body: string,
      headers: Record<string, string> = {},
    ): Promise<number> {
      return new Promise((resolve) => {
        upstream.respond((_request, response) => {
          void webhook(service, body, headers).then((report) => {
            response.writeHead(202, json).end(`{"job":"${id}"}`);
            resolve(report.status);
          });
        });
      });
    }

    it("a webhook that comes before the 202, to another replica, is kept and ends the process", async () => {
      const id = `early-${kind}`;
      const said = reportsFirst("jobs", id, `{"job":"${id}","is":"done","paper":{"n":1.10}}`);
      const answer = await ask("/jobs/fixed");
      expect(await said).to.equal(202);
      expect([answer.status, await answer.text()]).to.deep.equal([200, '{"n":1.10}']);
      const again = await webhook("jobs", `{"job":"${id}","is":"done","paper":{"n":1.10}}`);
      expect(await again.json()).to.include({ duplicate: true });
    });

    it("a failure that comes before the 202 is kept, too", async () => {
      const id = `early-broken-${kind}`;
      const said = reportsFirst("jobs", id, `{"job":"${id}","is":"broken","why":"no ink"}`);
      const answer = await ask("/jobs/fixed");
      expect(await said).to.equal(202);
      expect([answer.status, await answer.text()]).to.deep.equal([502, '"no ink"']);
    });

    it("an early webhook without a form of its own is the result, with its status", async () => {
      const id = `early-whole-${kind}`;
      const said = reportsFirst("whole", id, `{"job":"${id}"}`, { "Sticky-Result-Status": "201" });
      const answer = await ask("/whole/fixed");
      expect(await said).to.equal(202);
      expect([answer.status, await answer.text()]).to.deep.equal([201, `{"job":"${id}"}`]);
    });

    for (const [what, body] of [
      ["no id", "{}"],
      ["an id that is an object", '{"job":{}}'],
      ["an id that stands twice", '{"job":"a","job":"b"}'],
      ["a body that is no JSON", "accepted"],
    ] as const)
      it(`a 202 with ${what} fails at once: no webhook could be matched`, async () => {
        upstream.respond((_request, response) => response.writeHead(202, json).end(body));
        const answer = await ask("/jobs/fixed");
        expect(answer.status).to.equal(502);
        expect(await answer.json()).to.include({ executed: "unknown" });
        const view = await fetch(
          `${cluster.url(1)}/_sticky/v1/processes/${answer.headers.get("sticky-process-id")}`,
        );
        expect(await view.json()).to.include({ done: true, status: "failed" });
      });

    for (const [field, status] of [
      ["Operation-Location", 202],
      ["Azure-AsyncOperation", 201],
      ["Location", 202],
    ] as const)
      it(`a ${status} with ${field} is polled there, whatever host it names`, async () => {
        upstream.requests.length = 0;
        const answers = ["queued", "Queued", "Succeeded"];
        upstream.respond(({ method }: RecordedRequest, response: ServerResponse) => {
          if (method === "POST")
            return response
              .writeHead(status, {
                ...json,
                Location: "/never",
                [field]: "http://nobody.invalid/operations/1?v=2",
              })
              .end("{}");
          return response.writeHead(200, json).end(JSON.stringify({ status: answers.shift(), result: [1] }));
        });
        let answer: Response | null = null;
        void ask("/polled/work").then((response) => (answer = response));
        const ended: Response = await until(
          () => answer,
          () => cluster.sweeper.tick(),
        );
        expect([ended.status, await ended.text()]).to.deep.equal([200, "[1]"]);
        const polls = upstream.requests.filter(({ method }) => method === "GET").map(({ target }) => target);
        expect(new Set(polls)).to.deep.equal(new Set(["/operations/1?v=2"]));
      });

    it("an address that nobody can be asked at ends the process with a reason", async () => {
      upstream.respond(({ method }, response) =>
        method === "POST"
          ? response.writeHead(202, { Location: "http://localhost:1/jobs/1" }).end()
          : response.writeHead(404).end(),
      );
      const begun = await ask("/polled/work", { Prefer: "respond-async" });
      const path = `/_sticky/v1/processes/${begun.headers.get("sticky-process-id")}`;
      const view = await until(
        async () => {
          const seen = (await (await fetch(cluster.url(0) + path)).json()) as {
            done: boolean;
            outcome: object;
          };
          return seen.done && seen;
        },
        () => cluster.sweeper.tick(),
      );
      expect(view.outcome).to.deep.include({ executed: "unknown" });
    });

    it("an event stream that is opened again after its last event is 204, so that it is not opened again", async () => {
      upstream.respond((_request, response) => response.writeHead(201, json).end("{}"));
      const answer = await ask("/polled/work");
      const path = `${cluster.url(1)}/_sticky/v1/processes/${answer.headers.get("sticky-process-id")}`;
      const open = (headers: Record<string, string>) =>
        fetch(path, { headers: { Accept: "text/event-stream", ...headers } });
      const first = await open({});
      expect(first.status).to.equal(200);
      const id = /^id: (\d+)$/m.exec(await first.text())![1]!;
      const again = await open({ "Last-Event-ID": id });
      expect([again.status, await again.text()]).to.deep.equal([204, ""]);
      expect((await open({ "Last-Event-ID": "0" })).status).to.equal(200);
    });
  });
