import type { StoredResponse } from "@sticky-proxy/core/http";
import { parseProcessId } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { suiteStores } from "../support/stores.ts";
import { until } from "../support/until.ts";
import { startReplicas } from "./replicas.ts";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`services that are asked for their results, over three replicas on ${kind}`, () => {
    /** What the job's page says, one after the other; the last one stays. */
    let pages: readonly (Partial<Omit<StoredResponse, "body">> & { readonly json?: unknown })[];
    let asked: number;

    const replicas = startReplicas(openSuiteStore, (origin) => ({
      count: 3,
      yaml: `
services:
  azure:
    instances: [${origin}]
    routes:
      - process:
          identity: request
          waitMs: 20000
          deadlineMs: 60000
          pollLocation: { minMs: 10, maxMs: 30 }
  keyed:
    instances: [${origin}]
    routes:
      - process: { identity: key, waitMs: 20000, pollLocation: { minMs: 10, maxMs: 30 } }
  probed:
    instances: [${origin}]
    routes:
      - process:
          identity: key
          deadlineMs: 60000
          onUnknown: probe
          probe: { path: "/by-key/{key}", intervalMs: 100 }
`,
    }));
    let jobs = 0;
    beforeEach(() => {
      asked = 0;
      replicas.upstream.respond(({ method }, response) => {
        if (method === "POST") {
          response.writeHead(202, { Location: "/jobs/7", "Retry-After": "0" }).end();
          return;
        }
        const page = pages[Math.min(asked, pages.length - 1)]!;
        asked += 1;
        response.writeHead(page.status ?? 200, [
          ...(page.headers ?? []).flat(),
          ...(page.json === undefined ? [] : ["Content-Type", "application/json"]),
        ]);
        response.end(page.json === undefined ? undefined : JSON.stringify(page.json));
      });
    });
    const tick = (): Promise<unknown> => replicas.cluster.sweeper.tick();

    async function submit(path = "/azure/run", headers: Record<string, string> = {}) {
      let answer: Response | null = null;
      const held = fetch(replicas.cluster.url(0) + path, {
        method: "POST",
        headers: { Authorization: "Bearer mine", ...headers },
        body: String((jobs += 1)),
      }).then((response) => (answer = response));
      await until(() => answer, tick);
      return held;
    }

    it("holds the client over every page of an Azure operation and answers with its result", async () => {
      pages = [
        { status: 202 },
        { json: { status: "NotStarted" } },
        { json: { status: "InProgress", percentComplete: 50 } },
        { json: { status: "Succeeded", result: { file: "a.pdf" } } },
      ];
      const answer = await submit();
      expect([answer.status, await answer.json()]).to.deep.equal([200, { file: "a.pdf" }]);
      expect(answer.headers.get("sticky-process-status")).to.equal("completed");
      expect(asked).to.equal(4);
      expect(replicas.upstream.requests[1]!.target).to.equal("/jobs/7");
      expect(replicas.upstream.requests[1]!.headers.has("sticky-process-id")).to.equal(true);
    });

    it("the first poll keeps to the route's bounds, whatever Retry-After the 202 names", async () => {
      replicas.upstream.respond(({ method }, response) => {
        if (method === "POST")
          return response.writeHead(202, { Location: "/jobs/7", "Retry-After": "3600" }).end();
        asked += 1;
        return response
          .writeHead(200, { "Content-Type": "application/json" })
          .end('{"status":"Succeeded","result":1}');
      });
      const answer = await submit();
      expect([answer.status, await answer.json()]).to.deep.equal([200, 1]);
    });

    it("asks as who the client is, under its key, although nothing of the request is kept afterwards", async () => {
      pages = [{ json: { status: "Running" } }, { json: { status: "Succeeded", result: 1 } }];
      const answer = await submit("/keyed/run", { "Idempotency-Key": "mine" });
      expect(answer.status).to.equal(200);
      for (const { headers } of replicas.upstream.requests.slice(1)) {
        expect(headers.get("authorization")).to.equal("Bearer mine");
        expect(headers.get("idempotency-key")).to.equal("mine");
      }
      const ref = parseProcessId(answer.headers.get("sticky-process-id")!)!;
      const { record } = await replicas.cluster.store.read(ref, { withResult: false });
      expect(await replicas.cluster.store.readRequest(record!)).to.equal(null);
    });

    it("reads an AIP-151 operation's error as the process's failure", async () => {
      pages = [{ json: { done: false } }, { json: { done: true, error: { code: 9, message: "no" } } }];
      const answer = await submit();
      expect([answer.status, await answer.json()]).to.deep.equal([502, { code: 9, message: "no" }]);
      expect(answer.headers.get("sticky-process-status")).to.equal("failed");
    });

    it("follows 303 to the result on the service", async () => {
      pages = [
        { status: 303, headers: [["Location", "/files/7"]] },
        { json: { done: false, it: "is the result" } },
      ];
      const answer = await submit();
      expect(await answer.json()).to.deep.equal({ done: false, it: "is the result" });
      expect(replicas.upstream.last.target).to.equal("/files/7");
    });

    it("goes on asking through the service's troubles", async () => {
      pages = [{ status: 500 }, { status: 503, headers: [["Retry-After", "0"]] }, { status: 201, json: [1] }];
      const answer = await submit();
      expect([answer.status, await answer.json()]).to.deep.equal([201, [1]]);
    });

    describe("by probe", () => {
      /** Takes the work and drops the connection. */
      function dropPosts(status: number, body: string): void {
        replicas.upstream.respond(({ method }, response) => {
          if (method === "POST") response.destroy();
          else response.writeHead(status, { "Content-Type": "text/plain" }).end(body);
        });
      }

      it("finds the result of work whose connection broke", async () => {
        dropPosts(200, "it ran");
        const answer = await submit("/probed/pay", { "Idempotency-Key": "key 1" });
        expect([answer.status, await answer.text()]).to.deep.equal([200, "it ran"]);
        expect(replicas.upstream.requests.map(({ method, target }) => `${method} ${target}`)).to.deep.equal([
          "POST /pay",
          "GET /by-key/key%201",
        ]);
      });

      it("fails work that the service does not know, keeps a dead letter and sends nothing again", async () => {
        dropPosts(404, "");
        const answer = await submit("/probed/pay", { "Idempotency-Key": "key 2" });
        const problem = (await answer.json()) as { executed: string };
        expect([answer.status, problem.executed]).to.deep.equal([504, "unknown"]);
        expect(replicas.upstream.requests.filter(({ method }) => method === "POST")).to.have.length(1);
        const { items } = await replicas.cluster.store.deadLetters({ limit: 10, cursor: null });
        expect(items.map(({ service, deadLetter }) => [service, deadLetter])).to.deep.include([
          "probed",
          "callback",
        ]);
      });
    });
  });
