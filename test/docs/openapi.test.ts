/** What the gateway really answers is what its OpenAPI document says. */
import { FakeUpstream } from "@sticky-proxy/testkit";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";

interface OpenApi {
  readonly paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
}

describe("/_sticky/openapi.json", () => {
  let upstream: FakeUpstream;
  let cluster: Nodes;
  let document: OpenApi;
  let ajv: Ajv2020;

  before(async () => {
    upstream = await FakeUpstream.start();
    cluster = await startNodes({
      yaml: `
services:
  work:
    instances: [${upstream.origin}]
    routes:
      - match: { path: /reports }
        process: { identity: request, completion: callback, waitMs: 0 }
      - match: { path: /charges }
        process: { identity: key, force: true }
      - match: { path: /nowhere }
        process: { identity: key }
  gone:
    instances: [http://127.0.0.1:1]
    routes:
      - process: { identity: key }
`,
    });
    const answer = await fetch(`${cluster.url()}/_sticky/openapi.json`);
    expect(answer.status).to.equal(200);
    expect(answer.headers.get("content-type")).to.equal("application/json");
    document = (await answer.json()) as OpenApi;
    ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, "document");
  });
  after(async () => {
    await cluster.close();
    await upstream.close();
  });

  function isA(schema: string, value: unknown): void {
    const validate = ajv.compile({ $ref: `document#/components/schemas/${schema}` });
    validate(value);
    expect(validate.errors ?? [], JSON.stringify(value)).to.deep.equal([]);
  }

  const send = (method: string, path: string, headers = {}, body: string | null = null) =>
    fetch(cluster.url() + path, { method, headers, body });
  const json = { "Content-Type": "application/json" };

  it("describes a process as it is in every state", async () => {
    upstream.respond((request, response) => {
      if (request.target === "/reports") response.writeHead(202).end();
      else response.writeHead(201).end("{}");
    });
    const accepted = await send("POST", "/work/reports", json, '{"a":1}');
    expect(accepted.status).to.equal(202);
    isA("Process", await accepted.json());
    const self = accepted.headers.get("location") ?? "";
    isA("Process", await (await send("GET", self)).json());

    await upstream.arrived();
    const { headers } = upstream.requests.at(-1)!;
    const callback = headers.get("sticky-callback-url") ?? "";
    const token = { "Sticky-Execution": headers.get("sticky-execution") ?? "" };
    const beat = callback.replace(/complete$/, "heartbeat");
    const progress = '{"progress":{"percent":40,"message":"half"}}';
    isA("Heartbeat", JSON.parse(progress));
    const heard = await fetch(beat, { method: "POST", headers: { ...token, ...json }, body: progress });
    expect(heard.status).to.equal(200);
    isA("Acknowledgement", await heard.json());
    isA("Process", await (await send("GET", self)).json());
    for (const _ of [1, 2]) {
      const done = await fetch(callback, { method: "POST", headers: { ...token, ...json }, body: "{}" });
      expect(done.status).to.equal(200);
      isA("Acknowledgement", await done.json());
    }
    isA("Process", await (await send("GET", self)).json());

    const cancelled = await send("POST", "/work/reports", json, '{"a":2}');
    const view = await (await send("POST", `${cancelled.headers.get("location")}/cancel`)).json();
    expect(view).to.include({ status: "cancelled" });
    isA("Process", view);
  });

  it("describes a process that ended with a problem, and problems themselves", async () => {
    const unreachable = await send("POST", "/gone/x", { "Idempotency-Key": "k" });
    expect(unreachable.status).to.equal(502);
    isA("Problem", await unreachable.json());
    const id = unreachable.headers.get("sticky-process-id") ?? "";
    isA("Process", await (await send("GET", `/_sticky/v1/processes/${id}`)).json());
    for (const [method, path] of [
      ["GET", "/_sticky/v1/processes/none"],
      ["POST", "/work/charges"],
      ["POST", "/_sticky/v1/executions/none/complete"],
      ["GET", "/nothing"],
      ["PUT", "/_sticky/openapi.json"],
    ] as const) {
      const answer = await send(method, path);
      expect(answer.headers.get("content-type"), path).to.equal("application/problem+json");
      isA("Problem", await answer.json());
    }
    isA("ProblemType", await (await send("GET", "/_sticky/problems/queue-full")).json());
  });

  it("has only paths that the gateway serves", async () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      for (const method of Object.keys(methods)) {
        const real = path.replaceAll(/\{[a-z]+\}/g, "queue-full");
        const answer = await send(method.toUpperCase(), real);
        const text = await answer.text();
        expect(answer.status, `${method} ${path}`).to.not.equal(405);
        expect(text, `${method} ${path}`).to.not.include("The gateway has no such resource");
      }
    }
  });

  it("finds a process by its key at the address that it names", async () => {
    upstream.respond((_request, response) => response.writeHead(201).end("{}"));
    const owner = { Authorization: "Bearer owner" };
    const lookup = (key: string, headers: Record<string, string>) =>
      send(
        "POST",
        "/_sticky/v1/processes:lookup",
        { ...json, ...headers },
        `{"service":"work","idempotencyKey":"${key}"}`,
      );
    await send("POST", "/work/charges", { "Idempotency-Key": "order-1", ...owner });
    await send("POST", "/work/charges", { "Idempotency-Key": "order-2" });
    const found = await lookup("order-1", owner);
    expect(found.status).to.equal(200);
    isA("Process", await found.json());
    const anonymous = await lookup("order-2", {});
    expect(anonymous.status).to.equal(200);
    isA("ProcessState", await anonymous.json());
  });
});
