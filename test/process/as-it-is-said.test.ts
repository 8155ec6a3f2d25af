/** Foreign payloads are taken as they are said: digits, codings, odd forms, the key as it came. */
import { brotliCompressSync, gzipSync } from "node:zlib";
import type { RecordedRequest } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { suiteStores } from "../support/stores.ts";
import { until } from "../support/until.ts";
import { startReplicas } from "./replicas.ts";

const written = '{"id":9007199254740993,"amount":1.10,"big":12345678901234567890,"exp":1e2}';
const token = "one-shared-token-for-all-the-reports";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`what services say is taken as they say it, on ${kind}`, () => {
    const replicas = startReplicas(openSuiteStore, (origin) => ({
      count: 2,
      yaml: `
services:
  jobs:
    instances: [${origin}]
    callbackAuth: { sharedToken: ${token} }
    routes:
      - match: { path: /poll }
        process: { identity: key, waitMs: 20000, pollLocation: { minMs: 10, maxMs: 30 } }
      - match: { path: /fixed }
        process:
          identity: key
          waitMs: 20000
          maxResultBytes: 2000
          completion: callback
          callback:
            correlate: { response: /job, callback: /job }
            accept: { status: /is, completed: [done], failed: [broken], result: /paper, error: /why }
  plain:
    instances: [${origin}]
    routes:
      - match: { path: /kept }
        process: { identity: key }
`,
    }));

    let keys = 0;
    const ask = (path: string, headers: Record<string, string> = {}) =>
      fetch(replicas.cluster.url(0) + path, {
        method: "POST",
        headers: {
          "Idempotency-Key": `key-${kind}-${keys++}`,
          "Content-Type": "application/json",
          ...headers,
        },
        body: "{}",
      });

    let jobs = 0;
    /** In `body` JOB stands for the job's id. The job `id`, acknowledged by a 202, reports to the fixed address of another replica. */
    async function reported(
      body: string | ((id: string) => string | Uint8Array),
      headers: Record<string, string> = {},
      id = `"job-${++jobs}"`,
    ): Promise<{ answer: Response; report: Response }> {
      replicas.upstream.respond((_request, response) =>
        response.writeHead(202, { "Content-Type": "application/json" }).end(`{"job":${id}}`),
      );
      replicas.upstream.requests.length = 0;
      const asked = ask("/jobs/fixed");
      await replicas.upstream.arrived();
      // The webhook may be quicker than the 202 is stored: then it is kept.
      const report = await fetch(`${replicas.cluster.url(1)}/_sticky/v1/callbacks/jobs`, {
        method: "POST",
        headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", ...headers },
        body: content(body, id) as string,
      });
      return { answer: await asked, report };
    }

    const content = (body: string | ((id: string) => string | Uint8Array), id: string): string | Uint8Array =>
      typeof body === "function" ? body(id) : body.replace("JOB", id);

    it("numbers of a webhook's result reach the client, and every replay, as they were written", async () => {
      const { answer } = await reported(`{"job":JOB,"is":"done","paper": ${written} }`);
      expect(await answer.text()).to.equal(written);
    });

    it("numbers of a failed job's error stay as they were written", async () => {
      const { answer } = await reported(`{"job":JOB,"is":"broken","why":${written}}`);
      expect(answer.status).to.equal(502);
      expect(await answer.text()).to.equal(written);
    });

    it("a report in the gateway's own form may be compressed, and keeps what it holds as it was written", async () => {
      upstreamAccepts();
      const asked = ask("/plain/kept");
      await replicas.upstream.arrived();
      const sent = replicas.upstream.last;
      const id = sent.headers.get("sticky-process-id");
      const report = await fetch(`${replicas.cluster.url(1)}/_sticky/v1/executions/${id}/complete`, {
        method: "POST",
        headers: {
          "Sticky-Execution": sent.headers.get("sticky-execution")!,
          "Content-Type": "application/vnd.sticky.result+json",
          "Content-Encoding": "gzip",
        },
        body: gzipSync(`{"status":201,"body":${written}}`),
      });
      expect(report.status).to.equal(200);
      const completed = await asked;
      expect([completed.status, await completed.text()]).to.deep.equal([201, written]);
    });

    /** 202 with the token: a report will follow. */
    const upstreamAccepts = (): void => {
      replicas.upstream.requests.length = 0;
      replicas.upstream.respond((request, response) =>
        response.writeHead(202, { "Sticky-Execution": request.headers.get("sticky-execution")! }).end(),
      );
    };

    it("a job's id above 2^53 finds its process", async () => {
      const id = "72057594037927937";
      const { answer, report } = await reported(`{"job":JOB,"is":"done","paper":1}`, {}, id);
      expect(report.status).to.be.oneOf([200, 202]);
      expect(await answer.text()).to.equal("1");
    });

    for (const [what, body, headers] of [
      ["a byte order mark", '\ufeff{"job":JOB,"is":"done","paper":1}', {}],
      ["a lone surrogate", '{"job":JOB,"is":"done","paper":1,"log":"\\ud800"}', {}],
      ["a name that stands twice", '{"job":JOB,"is":"done","paper":1,"x":1,"x":2}', {}],
      ["__proto__", '{"job":JOB,"is":"done","paper":1,"__proto__":{}}', {}],
      ["a hundred levels", `{"job":JOB,"is":"done","paper":1,"x":${"[".repeat(100)}${"]".repeat(100)}}`, {}],
      ["latin1", (id: string) => Buffer.from(`{"job":${id},"is":"done","paper":1,"x":"é"}`, "latin1"), {}],
      [
        "form fields",
        (id: string) => `job=${JSON.parse(id)}&is=done&paper=1`,
        { "Content-Type": "application/x-www-form-urlencoded" },
      ],
      [
        "gzip",
        (id: string) => gzipSync(`{"job":${id},"is":"done","paper":1}`),
        { "Content-Encoding": "gzip" },
      ],
      [
        "br",
        (id: string) => brotliCompressSync(`{"job":${id},"is":"done","paper":1}`),
        { "Content-Encoding": "br" },
      ],
    ] as const)
      it(`a report with ${what} ends its process`, async () => {
        const { answer, report } = await reported(body, headers);
        expect(report.status).to.be.oneOf([200, 202]);
        expect(answer.status).to.equal(200);
        expect(await answer.text()).to.match(/^"?1"?$/);
      });

    it("a result that is too large to be kept ends its process at once, executed yes", async () => {
      const { answer, report } = await reported(`{"job":JOB,"is":"done","paper":"${"x".repeat(3000)}"}`);
      expect(report.status).to.be.oneOf([200, 202]);
      expect(await answer.json()).to.include({ type: "/_sticky/problems/result-too-large", executed: "yes" });
    });

    it("a compressed poll answer that says Running is no result, and the service is asked not to compress", async () => {
      let polls = 0;
      replicas.upstream.respond(({ method }, response) => {
        if (method === "POST") return response.writeHead(202, { Location: "/state" }).end();
        const state = polls++ < 2 ? '{"status":"Running"}' : `{"status":"Succeeded","result":${written}}`;
        response
          .writeHead(200, { "Content-Type": "application/json", "Content-Encoding": "gzip" })
          .end(gzipSync(state));
      });
      replicas.upstream.requests.length = 0;
      let answered: Response | null = null;
      void ask("/jobs/poll", { "Accept-Encoding": "gzip" }).then((response) => (answered = response));
      const answer = (await until(
        () => answered,
        () => replicas.cluster.sweeper.tick(),
      )) as Response;
      expect(await answer.text()).to.equal(written);
      for (const { headers } of replicas.upstream.requests)
        expect(headers.get("accept-encoding")).to.equal("identity");
    });

    it("a stored compressed result is decoded for a client that does not accept its coding, with a weak ETag", async () => {
      replicas.upstream.respond((_request, response) =>
        response
          .writeHead(200, { "Content-Type": "application/json", "Content-Encoding": "gzip", ETag: '"v1"' })
          .end(gzipSync(written)),
      );
      const key = { "Idempotency-Key": `coded-${kind}` };
      const first = await ask("/plain/kept", { ...key, "Accept-Encoding": "gzip" });
      expect(first.headers.get("etag")).to.equal('"v1"');
      await first.text();
      const again = await ask("/plain/kept", { ...key, "Accept-Encoding": "identity" });
      expect(again.headers.get("idempotent-replayed")).to.equal("true");
      expect(again.headers.get("content-encoding")).to.equal(null);
      expect(again.headers.get("etag")).to.equal('W/"v1"');
      expect(await again.text()).to.equal(written);
      const coded = await ask("/plain/kept", { ...key, "Accept-Encoding": "gzip" });
      expect(coded.headers.get("content-encoding")).to.equal("gzip");
      expect(await coded.text()).to.equal(written);
    });

    for (const [field, value] of [
      ["Idempotency-Key", "bare-key"],
      ["Idempotency-Key", '"quoted-key"'],
      ["X-Idempotency-Key", "alias-key"],
    ] as const)
      it(`the key ${field}: ${value} reaches the service in the form in which it came`, async () => {
        replicas.upstream.respond((_request, response) => response.writeHead(201).end());
        replicas.upstream.requests.length = 0;
        await fetch(`${replicas.cluster.url(0)}/plain/kept`, {
          method: "POST",
          headers: { [field]: value },
          body: "",
        });
        const sent: RecordedRequest = replicas.upstream.requests[0]!;
        expect(sent.headers.get(field.toLowerCase())).to.equal(value);
        expect(sent.headers.get("idempotency-key"), "the standard field too").to.equal(value);
      });

    it("a service that replays by itself is believed: its Idempotent-Replayed reaches the client", async () => {
      replicas.upstream.respond((_request, response) =>
        response.writeHead(200, { "Idempotent-Replayed": "true" }).end("{}"),
      );
      const answer = await ask("/plain/kept");
      expect(answer.headers.get("idempotent-replayed")).to.equal("true");
      expect(answer.headers.get("sticky-source")).to.equal("service");
    });
  });
