/** What one line tells whoever runs the gateway: where the request went, what went wrong there, and how much was moved. */
import { FakeUpstream, RawClient, RawUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startTlsFront } from "../client/tls-front.ts";
import { route, service, startGateway, type Gateway } from "./gateway.ts";

type Fields = Readonly<Record<string, unknown>>;

const get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

describe("the access line", () => {
  const open: { close(): Promise<void> | void }[] = [];

  afterEach(async () => {
    for (const part of open.splice(0).toReversed()) await part.close();
  });

  function kept<Part extends { close(): Promise<void> | void }>(part: Part): Part {
    open.push(part);
    return part;
  }

  async function lineOf(gateway: Gateway): Promise<Fields> {
    for (;;) {
      const line = gateway.logged.find(({ event }) => event === "request");
      if (line !== undefined) return line.fields;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async function lineFor(
    origins: string | readonly string[],
    request = get,
    more: Parameters<typeof service>[1] = {},
  ): Promise<Fields> {
    const gateway = kept(await startGateway({ services: [service(origins, more)] }));
    await RawClient.exchange(gateway.port, request).catch(() => null); // some answers break off
    return lineOf(gateway);
  }

  /** An origin where nobody listens any more. */
  async function nobodyAt(): Promise<string> {
    const upstream = await FakeUpstream.start();
    const { origin } = upstream;
    await upstream.close();
    return origin;
  }

  it("names instance, attempts, trace and the bytes of both directions", async () => {
    const upstream = kept(await FakeUpstream.start((_request, response) => response.end("x".repeat(1000))));
    const trace = "0af7651916cd43dd8448eb211c80319c";
    const line = await lineFor(
      upstream.origin,
      `POST /x HTTP/1.1\r\nHost: a\r\ntraceparent: 00-${trace}-b7ad6b7169203331-01\r\nContent-Length: 5\r\n\r\nhello`,
    );
    expect(line).to.include({ instance: "up-0", attempts: 1, traceId: trace, bytesIn: 5, status: 200 });
    expect(line["bytesOut"]).to.be.within(1000, 2000);
    expect(line).to.not.have.any.keys("upstreamError", "upstreamReason", "upstreamCode");
  });

  it("counts the bytes of a body whose length was not told", async () => {
    const upstream = kept(await FakeUpstream.start());
    const line = await lineFor(
      upstream.origin,
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    );
    expect(line).to.include({ bytesIn: 7 });
  });

  it("a request that no service takes was sent nowhere", async () => {
    const line = await lineFor("http://127.0.0.1:9", get, { match: { host: "other", path: "/" } });
    expect(line).to.include({ status: 404, instance: null, attempts: 0, service: null });
    expect(line["traceId"]).to.match(/^[0-9a-f]{32}$/);
  });

  it("refused", async () => {
    const line = await lineFor(await nobodyAt());
    expect(line).to.include({
      status: 502,
      instance: "up-0",
      attempts: 1,
      upstreamError: "connection_refused",
      upstreamReason: "refused",
      upstreamCode: "ECONNREFUSED",
    });
  });

  it("a name that cannot be resolved", async () => {
    const line = await lineFor(`http://${"x".repeat(64)}.invalid`);
    expect(line).to.include({ status: 502, upstreamError: "dns_error", upstreamReason: "dns" });
  });

  it("a certificate that is not accepted", async () => {
    const upstream = kept(await FakeUpstream.start());
    const front = kept(await startTlsFront(upstream.origin));
    const line = await lineFor(front.url);
    expect(line).to.include({ upstreamError: "tls_certificate_error", upstreamReason: "certificate" });
    expect(line["upstreamCode"]).to.match(/CERT|SIGNED/);
  });

  it("reset before an answer, and within one", async () => {
    const before = kept(await RawUpstream.start(({ socket }) => void socket.resetAndDestroy()));
    expect(await lineFor(before.origin)).to.include({ upstreamReason: "reset", status: 502, attempts: 1 });
    const within = kept(
      await RawUpstream.start(({ socket }) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", () => socket.resetAndDestroy());
      }),
    );
    const line = await lineFor(within.origin);
    expect(line).to.include({ instance: "up-0", status: 200, cut: true });
    expect(line["upstreamReason"]).to.match(/^(reset|cut)$/);
  });

  it("timeout", async () => {
    const upstream = kept(await RawUpstream.start(() => undefined));
    const timeouts = { connectMs: 30_000, firstByteMs: 50, idleMs: 30_000 };
    const line = await lineFor(upstream.origin, get, { timeouts });
    expect(line).to.include({
      status: 504,
      upstreamError: "http_response_timeout",
      upstreamReason: "timeout",
    });
  });

  it("an answer that is no HTTP", async () => {
    const upstream = kept(await RawUpstream.start("SSH-2.0-OpenSSH\r\n"));
    expect(await lineFor(upstream.origin)).to.include({ status: 502, upstreamReason: "invalid-response" });
  });

  it("a second attempt at another instance stands there with why the first failed", async () => {
    const upstream = kept(await FakeUpstream.start());
    const gateway = kept(await startGateway({ services: [service([await nobodyAt(), upstream.origin])] }));
    for (;;) {
      gateway.logged.length = 0;
      await RawClient.exchange(gateway.port, get);
      const line = await lineOf(gateway);
      if (line["attempts"] === 1) continue; // it began with the other one
      expect(line).to.include({ status: 200, instance: "up-1", attempts: 2, upstreamReason: "refused" });
      return;
    }
  });

  it("a tunnel has one too, when it has closed", async () => {
    const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    const upstream = kept(
      await RawUpstream.start(({ socket }) => {
        socket.end(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\nbye`,
        );
      }),
    );
    const upgrade =
      "GET /chat?token=1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    const routes = [route({ allowUpgrade: true })];
    const line = await lineFor(upstream.origin, upgrade, { routes });
    expect(line).to.include({ path: "/chat", status: 101, instance: "up-0", attempts: 1, tunnel: true });
    expect(line["bytesOut"]).to.be.greaterThan(100);
    const refused = await lineFor(await nobodyAt(), upgrade, { routes });
    expect(refused).to.include({ status: 502, upstreamReason: "refused", tunnel: true });
    expect(JSON.stringify([line, refused])).to.not.include("token");
  });
});
