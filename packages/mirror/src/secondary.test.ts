import { createManualClock } from "@sticky-proxy/core/testing";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { RequestHead } from "@sticky-proxy/core/http";
import type { Service } from "@sticky-proxy/core/registry";
import { expect } from "chai";
import { createForwarder, type Forwarder } from "@sticky-proxy/upstream";
import {
  createSecondary,
  markerKeys,
  markLines,
  type Secondary,
  type SecondaryRequest,
} from "./secondary.ts";

const head: RequestHead = {
  method: "PUT",
  path: "/users/1",
  query: "a=1",
  headers: [
    ["Authorization", "Bearer x"],
    ["Content-Type", "application/json"],
    ["Content-Length", "2"],
    ["Host", "primary.example"],
  ],
};

describe("one request to the secondary", () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let seen: IncomingMessage[];
  let forwarder: Forwarder;
  let secondary: Secondary;
  let service: Service;

  beforeEach(async () => {
    seen = [];
    answer = (_request, response) => response.end("ok");
    server = createServer((request, response) => {
      seen.push(request);
      request.resume();
      request.on("end", () => answer(request, response));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    service = {
      name: "users-v2",
      instances: [{ name: "v2", origin: `http://127.0.0.1:${port}`, weight: 1 }],
      limits: { maxInFlight: 10, maxQueue: 10, queueTimeoutMs: 100 },
      tls: null,
      timeouts: { connectMs: 1000, firstByteMs: 5000, idleMs: 5000 },
      credential: ["authorization"],
      preserveHost: false,
      affinity: null,
      migration: null,
      breaker: null,
      honoursKey: false,
      routes: [],
    } as unknown as Service;
    forwarder = createForwarder({ pseudonym: "p", loopId: "l" });
    const keys = markerKeys(Buffer.alloc(32, 1), []);
    secondary = createSecondary({
      forwarder,
      marks: (request) => markLines(keys, request, "id1", 0, 1_700_000_000_000),
      clock: createManualClock(1_700_000_000_000),
    });
  });
  afterEach(async () => {
    await forwarder.close();
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  });

  const send = (more: Partial<SecondaryRequest> = {}): ReturnType<Secondary["send"]> =>
    secondary.send({
      secondary: service,
      primary: service,
      policy: { credentials: "drop" },
      head,
      body: Buffer.from("{}"),
      idempotencyKey: "k1",
      extra: [["Sticky-Fence", "7"]],
      maxAnswerBytes: 100,
      timeoutMs: 5000,
      signal: new AbortController().signal,
      ...more,
    });

  it("sends key, fence, marker and the secondary's host, and no credential", async () => {
    const outcome = await send();
    expect(outcome).to.include({ kind: "answered", status: 200, instance: "v2" });
    const [{ headers, url }] = seen as [IncomingMessage];
    expect(url).to.equal("/users/1?a=1");
    expect(headers).to.include({
      "idempotency-key": '"k1"',
      "sticky-fence": "7",
      "x-dual-write-executed": "true",
    });
    expect(headers["sticky-mirror"]).to.match(/^v1; src="sticky-proxy-[0-9a-f]{12}"; id="id1"; hop=1;/);
    expect(headers["host"]).to.match(/^127\.0\.0\.1:/);
    expect(headers).to.not.have.property("authorization");
  });

  it("drops a response body above the limit", async () => {
    answer = (_request, response) => response.end("x".repeat(1000));
    expect(await send()).to.include({ kind: "answered", body: null });
  });

  it("a retryable response is a failure with its Retry-After", async () => {
    answer = (_request, response) => {
      response.writeHead(503, { "Retry-After": "3" });
      response.end();
    };
    const outcome = await send();
    expect(outcome.kind).to.equal("failed");
    expect(outcome).to.have.deep.property("failure", { kind: "try-later", status: 503, retryAfterMs: 3000 });
  });

  it("a timeout of the whole exchange is a failure, not an abort", async () => {
    answer = (_request, response) => void response.write("x");
    const outcome = await send({ timeoutMs: 100 });
    expect(outcome).to.include({ kind: "failed", aborted: false });
    expect(outcome).to.have.nested.property("failure.timedOut", true);
  });

  it("the caller's signal aborts the exchange", async () => {
    const stop = new AbortController();
    answer = () => stop.abort();
    expect(await send({ signal: stop.signal })).to.include({ kind: "failed", aborted: true });
  });

  it("a refused connection is a failure, and not a timeout", async () => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
    const outcome = await send();
    expect(outcome).to.have.nested.property("failure.error", "connection_refused");
    expect(outcome).to.have.nested.property("failure.timedOut", false);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  });
});

describe("markerKeys", () => {
  it("signs with the first configured secret, else with the deployment's key", () => {
    const secret = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
    const [own, shared] = [markerKeys(Buffer.alloc(32, 1), []), markerKeys(Buffer.alloc(32, 1), [secret])];
    expect(own.secrets).to.have.length(1);
    expect(Buffer.from(shared.secrets[0]).equals(Buffer.alloc(32, 9))).to.equal(true);
    expect(shared.secrets).to.have.length(2);
    expect(shared.source).to.equal(own.source);
    expect(markerKeys(Buffer.alloc(32, 2), []).source).to.not.equal(own.source);
  });
});
