/** Requests with an idempotency key, byte for byte: what is refused, who leaves, and what the service answers wrongly. */
import { FakeUpstream, RawClient, RawUpstream, type RawResponse } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { startNodes, type Nodes } from "../support/nodes.ts";
import { until } from "../support/until.ts";

describe("a request with an idempotency key", () => {
  let upstream: FakeUpstream;
  let broken: RawUpstream;
  let answer = "";
  let cluster: Nodes;
  let port = 0;

  before(async () => {
    upstream = await FakeUpstream.start();
    broken = await RawUpstream.start(({ socket }) => void socket.end(answer, "latin1"));
    cluster = await startNodes({
      yaml: `
services:
  pay:
    instances: [${upstream.origin}]
    match: { path: /pay }
    routes:
      - { process: { identity: key, waitMs: 60000 }, maxBodyBytes: 10 }
  lend:
    instances: [${upstream.origin}]
    match: { path: /lend }
    routes:
      - { process: { identity: key } }
  early:
    instances: [${upstream.origin}]
    match: { path: /early }
    routes:
      - { process: { identity: key }, retries: { attempts: 3, minMs: 1, maxMs: 2 } }
  broken:
    instances: [${broken.origin}]
    match: { path: /broken }
    routes:
      - { process: { identity: key } }
`,
    });
    port = Number(new URL(cluster.url()).port);
  });

  after(async () => {
    await cluster.close();
    await upstream.close();
    await broken.close();
  });

  beforeEach(() => {
    upstream.requests.length = 0;
    upstream.respond((_request, response) => response.end("done"));
  });

  let keys = 0;
  const newKey = (): string => `key-${(keys += 1)}`;

  function head(path: string, lines: string): string {
    return `POST ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`;
  }

  function post(path: string, key: string): string {
    return `${head(path, `Idempotency-Key: ${key}\r\nContent-Length: 2\r\n`)}hi`;
  }

  function slugOf({ body }: RawResponse): string {
    return (JSON.parse(body) as { type: string }).type.replace("/_sticky/problems/", "");
  }

  async function waiters(): Promise<number> {
    const text = await cluster.nodes[0]!.metrics.registry.metrics();
    return Number(/_waiters\{service="pay"\} ([0-9]+)/.exec(text)?.[1] ?? 0);
  }

  for (const [what, lines] of [
    ["none", ""],
    ["empty", "Idempotency-Key:\r\n"],
    ["empty in quotes", 'Idempotency-Key: ""\r\n'],
    ["on two lines", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n"],
    ["contradicted by its alias", "Idempotency-Key: a\r\nX-Idempotency-Key: b\r\n"],
    ["256 characters long", `Idempotency-Key: ${"k".repeat(256)}\r\n`],
    ["not ASCII", "Idempotency-Key: caf\xe9\r\n"],
    ["with a parameter", 'Idempotency-Key: "a";b=c\r\n'],
  ] as const) {
    it(`that is ${what} is 400 and never sent`, async () => {
      const response = await RawClient.exchange(port, head("/pay/1", `${lines}Content-Length: 0\r\n`));
      expect(response.status).to.equal(400);
      expect(slugOf(response)).to.equal(
        what === "none" ? "idempotency-key-missing" : "idempotency-key-invalid",
      );
      expect(upstream.requests).to.have.lengthOf(0);
    });
  }

  it("with a body over the limit is 413, closed, and nothing is sent", async () => {
    for (const [framing, body] of [
      ["Content-Length: 11", "hello world"],
      ["Transfer-Encoding: chunked", "b\r\nhello world\r\n"],
    ]) {
      const client = await RawClient.connect(port);
      client.send(head("/pay/1", `Idempotency-Key: ${newKey()}\r\n${framing}\r\n`) + body);
      const response = await client.response();
      expect(response.status).to.equal(413);
      expect(slugOf(response)).to.equal("payload-too-large");
      expect(response.headers.get("connection")).to.equal("close");
      await client.closed();
    }
    expect(upstream.requests).to.have.lengthOf(0);
  });

  it("whose upload breaks off is never sent, and its key is free", async () => {
    const key = newKey();
    const client = await RawClient.connect(port);
    client.send(post("/pay/1", key).slice(0, -1));
    client.close();
    expect((await RawClient.exchange(port, post("/pay/1", key))).body).to.equal("done");
    expect(upstream.requests).to.have.lengthOf(1);
  });

  it("is another process at another service, and a mistake at another path of the same", async () => {
    const key = newKey();
    expect((await RawClient.exchange(port, post("/pay/1", key))).status).to.equal(200);
    expect((await RawClient.exchange(port, post("/lend/1", key))).status).to.equal(200);
    const reused = await RawClient.exchange(port, post("/pay/2", key));
    expect(reused.status).to.equal(422);
    expect(slugOf(reused)).to.equal("idempotency-key-reused");
    expect(upstream.requests).to.have.lengthOf(2);
  });

  it("1,000 at once with one key are one call of the service", async () => {
    const key = newKey();
    let answerNow = (): void => undefined;
    upstream.respond((_request, response) => {
      answerNow = () => response.end("once");
    });
    const clients = await Promise.all(Array.from({ length: 1_000 }, () => RawClient.connect(port)));
    for (const client of clients) client.send(post("/pay/1", key));
    await upstream.arrived();
    await until(async () => (await waiters()) === 1_000);
    answerNow();
    for (const client of clients) {
      expect((await client.response()).body).to.equal("once");
      client.close();
    }
    expect(upstream.requests).to.have.lengthOf(1);
  });

  it("runs on when the clients that are held leave, and nothing is held for them", async () => {
    const key = newKey();
    let answerNow = (): void => undefined;
    upstream.respond((_request, response) => {
      answerNow = () => response.end("later");
    });
    const clients = await Promise.all(Array.from({ length: 200 }, () => RawClient.connect(port)));
    for (const client of clients) client.send(post("/pay/1", key));
    await upstream.arrived();
    await until(async () => (await waiters()) === clients.length);
    // By a reset and by the usual end alike.
    for (const [i, client] of clients.entries()) {
      if (i % 2 === 0) client.socket.resetAndDestroy();
      else client.close();
    }
    await until(async () => (await waiters()) === 0);
    expect(cluster.nodes[0]!.gateway.server.inFlight).to.equal(0);
    answerNow();
    const replayed = await RawClient.exchange(port, post("/pay/1", key));
    expect(replayed.body).to.equal("later");
    expect(replayed.headers.get("idempotent-replayed")).to.equal("true");
    expect(upstream.requests).to.have.lengthOf(1);
  });

  it("425 is repeated here, unless the request came to us in early data: then it is the client's", async () => {
    upstream.respond((_request, response) => response.writeHead(425).end());
    const lines = "Idempotency-Key: early\r\nContent-Length: 0\r\n";
    const told = await RawClient.exchange(port, head("/early/1", `${lines}Early-Data: 1\r\n`));
    expect(told.status).to.equal(425);
    expect(upstream.requests).to.have.lengthOf(1);
    expect(upstream.last.headers.get("early-data")).to.equal("1");
    expect((await RawClient.exchange(port, head("/early/1", lines))).status).to.equal(425);
    expect(upstream.requests).to.have.lengthOf(4);
  });

  it("is answered when its client has closed its side", async () => {
    upstream.respond((_request, response) => void setTimeout(() => response.end("held"), 50));
    const client = await RawClient.connect(port);
    client.socket.allowHalfOpen = true;
    client.socket.end(post("/pay/1", newKey()));
    expect((await client.response()).body).to.equal("held");
    await client.closed();
  });

  for (const [what, bytes] of [
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
    ["a length and a coding", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok"],
    ["a line break in a value", "HTTP/1.1 200 OK\r\nX: a\nInjected: b\r\nContent-Length: 2\r\n\r\nok"],
    ["a status below 100", "HTTP/1.1 099 Odd\r\nContent-Length: 2\r\n\r\nok"],
    ["a body that is cut off", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"],
    ["chunks that are cut off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"],
    ["nothing", ""],
  ] as const) {
    it(`that is answered by ${what} is 502, executed unknown, and never replayed as a result`, async () => {
      answer = bytes;
      const key = newKey();
      const first = await RawClient.exchange(port, post("/broken/1", key));
      expect(first.status).to.equal(502);
      expect(slugOf(first)).to.equal("upstream-invalid-response");
      expect((JSON.parse(first.body) as { executed: string }).executed).to.equal("unknown");
      answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
      expect((await RawClient.exchange(port, post("/broken/1", key))).body).to.equal("good");
    });
  }
});
