/** What the gateway says by itself: ids, problems, limits of connections. */
import { FakeUpstream, RawClient } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { service, startGateway, type Gateway } from "./gateway.ts";

const get = "GET /secret-path?token=1 HTTP/1.1\r\nHost: a\r\n\r\n";

describe("the gateway's own answers", () => {
  const open: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const part of open.splice(0).toReversed()) await part.close();
  });

  async function gatewayBefore(more: Partial<Parameters<typeof startGateway>[0]> = {}): Promise<Gateway> {
    const upstream = await FakeUpstream.start();
    open.push(upstream);
    const gateway = await startGateway({ services: [service(upstream.origin)], ...more });
    open.push(gateway);
    return gateway;
  }

  it("an unexpected error is 500 with nothing of its inside, logged under the request's id", async () => {
    const broken = { ...service("http://127.0.0.1:1") };
    Object.defineProperty(broken, "preserveHost", {
      get() {
        throw new Error("the inside story");
      },
    });
    const gateway = await gatewayBefore({ services: [broken] });
    const response = await RawClient.exchange(gateway.port, get);
    expect(response.status).to.equal(500);
    expect(response.body).to.not.include("inside story");
    const body = JSON.parse(response.body) as { type: string; requestId: string };
    expect(body.type).to.equal("/_sticky/problems/internal-error");
    const line = gateway.logged.find(({ event }) => event === "request.failed");
    expect(line?.fields["requestId"]).to.equal(body.requestId);
  });

  it("a problem carries the id that its response carries", async () => {
    const gateway = await gatewayBefore({ services: [] });
    const response = await RawClient.exchange(gateway.port, get);
    expect(response.status).to.equal(404);
    const body = JSON.parse(response.body) as { type: string; requestId: string; executed: string };
    expect(body).to.include({ type: "/_sticky/problems/service-not-found", executed: "no" });
    expect(response.headers.get("x-request-id")).to.equal(body.requestId);
  });

  it("HEAD gets a problem's head only", async () => {
    const gateway = await gatewayBefore({ services: [] });
    const client = await RawClient.connect(gateway.port);
    client.send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    const response = await client.response({ head: true });
    expect(response.status).to.equal(404);
    client.send("HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const rest = await client.rest();
    expect(rest).to.match(/^HTTP\/1\.1 404 /);
    expect(rest).to.match(/\r\n\r\n$/);
  });

  it("after a problem without framing trouble the connection goes on", async () => {
    const gateway = await gatewayBefore();
    const client = await RawClient.connect(gateway.port);
    client.send("GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await client.response()).status).to.equal(400);
    client.send(get);
    expect((await client.response()).status).to.equal(200);
    client.send("POST /a//b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    expect((await client.response()).status).to.equal(400);
    client.close();
  });

  it("one access line per request: path without query, status, service", async () => {
    const gateway = await gatewayBefore();
    await RawClient.exchange(gateway.port, get);
    while (gateway.observed.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const lines = gateway.logged.filter(({ event }) => event === "request");
    expect(lines).to.have.lengthOf(1);
    expect(lines[0]!.fields).to.include({ method: "GET", path: "/secret-path", status: 200, service: "up" });
    expect(JSON.stringify(lines)).to.not.include("token");
    expect(gateway.observed[0]).to.include({ service: "up", route: null, method: "GET", status: 200 });
  });

  it("an X-Request-Id of the service is replaced by the exchange's own", async () => {
    const upstream = await FakeUpstream.start((_request, response) =>
      response.setHeader("X-Request-Id", "theirs").end(),
    );
    open.push(upstream);
    const gateway = await gatewayBefore({ services: [service(upstream.origin)] });
    const response = await RawClient.exchange(gateway.port, get);
    expect(response.headers.get("x-request-id")).to.equal(upstream.last.headers.get("x-request-id"));
  });

  it("one address gets only so many connections, and gets new ones when it closes some", async () => {
    const gateway = await gatewayBefore({ limits: { maxConnectionsPerAddress: 2 } });
    const first = await RawClient.connect(gateway.port);
    const second = await RawClient.connect(gateway.port);
    const third = await RawClient.connect(gateway.port);
    await third.closed();
    first.send(get);
    expect((await first.response()).status).to.equal(200);
    second.close();
    for (;;) {
      const again = await RawClient.connect(gateway.port);
      again.send(get);
      const answered = await again.response().then(
        ({ status }) => status,
        () => null,
      );
      again.close();
      if (answered === 200) break;
    }
    first.close();
  });

  it("requests on one connection can be limited", async () => {
    const gateway = await gatewayBefore({ limits: { maxRequestsPerSocket: 2 } });
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    expect((await client.response()).headers.get("connection")).to.equal("keep-alive");
    client.send(get);
    expect((await client.response()).headers.get("connection")).to.equal("close");
    await client.closed();
  });
});
