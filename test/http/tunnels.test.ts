/** Upgrades (RFC 9110 7.8) and WebSocket tunnels (RFC 6455 4). */
import { FakeUpstream, RawClient, RawUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { route, service, startGateway, type Gateway } from "./gateway.ts";

const key = "dGhlIHNhbXBsZSBub25jZQ==";
const accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const handshake =
  "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
  `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`;

describe("an upgrade", () => {
  const open: { close(): Promise<void> }[] = [];

  afterEach(async () => {
    for (const part of open.splice(0).toReversed()) await part.close();
  });

  async function before(
    origin: string,
    allowUpgrade: boolean,
    more: Parameters<typeof service>[1] = {},
  ): Promise<Gateway> {
    const gateway = await startGateway({
      services: [service(origin, { routes: [route({ allowUpgrade })], ...more })],
    });
    open.push(gateway);
    return gateway;
  }

  async function raw(onHead: Parameters<typeof RawUpstream.start>[0]): Promise<RawUpstream> {
    const upstream = await RawUpstream.start(onHead);
    open.push(upstream);
    return upstream;
  }

  function switching(more = ""): string {
    return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n${more}`;
  }

  it("is ignored where the route does not allow it: the request is an ordinary one", async () => {
    const upstream = await FakeUpstream.start();
    open.push(upstream);
    const gateway = await before(upstream.origin, false);
    const client = await RawClient.connect(gateway.port);
    client.send(handshake);
    expect((await client.response()).status).to.equal(200);
    expect(upstream.last.headers.has("upgrade")).to.equal(false);
    expect(upstream.last.headers.get("connection")).to.equal("keep-alive");
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await client.response()).status).to.equal(200);
    client.close();
  });

  it("is no way around authentication: without a proof it is 401, and the service sees nothing", async () => {
    let asked = false;
    const upstream = await raw(() => void (asked = true));
    const authenticator = {
      policy: { methods: [], principalField: null, identityFields: [] },
      prove: async () => ({ kind: "absent" }) as const,
    };
    const services = [
      service(upstream.origin, { routes: [route({ allowUpgrade: true })], authentication: "required" }),
    ];
    const gateway = await startGateway({ services, authenticator });
    open.push(gateway);
    const client = await RawClient.connect(gateway.port);
    client.send(handshake);
    const { status, headers } = await client.response();
    expect(status).to.equal(401);
    expect(headers.get("www-authenticate")).to.match(/^Bearer /);
    expect(asked).to.equal(false);
    client.close();
  });

  it("to anything but websocket is ignored where upgrades are allowed", async () => {
    const upstream = await FakeUpstream.start();
    open.push(upstream);
    const gateway = await before(upstream.origin, true);
    for (const protocol of ["h2c", "TLS/1.0", "websocket, h2c"]) {
      const response = await RawClient.exchange(
        gateway.port,
        `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
      );
      expect(response.status).to.equal(200);
      expect(upstream.last.headers.has("upgrade")).to.equal(false);
    }
  });

  it("to websocket becomes a tunnel both ways, bytes sent early included", async () => {
    const upstream = await raw(({ socket, received }) => {
      if (received.includes("Upgrade") || received.includes("upgrade"))
        socket.write(switching("early"), "latin1");
      socket.on("data", (chunk: Buffer) => socket.write(`<${chunk.toString("latin1")}>`, "latin1"));
    });
    const gateway = await before(upstream.origin, true);
    const client = await RawClient.connect(gateway.port);
    client.send(handshake);
    const response = await client.response();
    expect(response.status).to.equal(101);
    expect(response.headers.get("upgrade")).to.equal("websocket");
    expect(response.headers.get("connection")).to.equal("Upgrade");
    expect(response.headers.get("sec-websocket-accept")).to.equal(accept);
    const head = upstream.connections[0]!.received;
    expect(head).to.match(/^GET \/chat HTTP\/1\.1\r\n/);
    expect(head).to.include(`Sec-WebSocket-Key: ${key}`);
    expect(head.toLowerCase()).to.include("upgrade: websocket");
    client.send("ping");
    while (!client.pending.includes("<ping>")) await new Promise((resolve) => setImmediate(resolve));
    expect(client.pending).to.equal("early<ping>");
    client.close();
    await new Promise((resolve) => upstream.connections[0]!.socket.once("close", resolve));
  });

  it("ends on both sides when the service closes, and when the gateway does", async () => {
    const upstream = await raw(({ socket }) => void socket.write(switching(), "latin1"));
    const gateway = await before(upstream.origin, true);
    const first = await RawClient.connect(gateway.port);
    first.send(handshake);
    expect((await first.response()).status).to.equal(101);
    upstream.connections[0]!.socket.destroy();
    await first.closed();
    const second = await RawClient.connect(gateway.port);
    second.send(handshake);
    expect((await second.response()).status).to.equal(101);
    await gateway.server.close();
    await second.closed();
  });

  it("whose answer does not match the key is 502", async () => {
    const upstream = await raw(
      ({ socket }) => void socket.write(switching().replace(accept, "wrong"), "latin1"),
    );
    const gateway = await before(upstream.origin, true);
    const response = await RawClient.exchange(gateway.port, handshake);
    expect(response.status).to.equal(502);
    expect(response.headers.get("proxy-status")).to.equal("sticky-proxy; error=http_upgrade_failed");
  });

  it("to another protocol than was asked for is 502", async () => {
    const upstream = await raw(
      ({ socket }) => void socket.write(switching().replace("Upgrade: websocket", "Upgrade: h2c"), "latin1"),
    );
    const gateway = await before(upstream.origin, true);
    const response = await RawClient.exchange(gateway.port, handshake);
    expect(response.status).to.equal(502);
    expect(response.headers.get("proxy-status")).to.equal("sticky-proxy; error=http_upgrade_failed");
  });

  it("without a key of 16 bytes is refused", async () => {
    const upstream = await raw(({ socket }) => void socket.write(switching(), "latin1"));
    const gateway = await before(upstream.origin, true);
    for (const line of ["", "Sec-WebSocket-Key: \r\n", "Sec-WebSocket-Key: abc\r\n"]) {
      const response = await RawClient.exchange(
        gateway.port,
        handshake.replace(`Sec-WebSocket-Key: ${key}\r\n`, line),
      );
      expect(response.status).to.equal(400);
    }
    expect(upstream.connections).to.have.lengthOf(0);
  });

  it("that the service declines is answered with the service's own response", async () => {
    const upstream = await raw("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: no\r\n\r\nno");
    const gateway = await before(upstream.origin, true);
    const client = await RawClient.connect(gateway.port);
    client.send(handshake);
    const response = await client.response();
    expect(response.status).to.equal(403);
    expect(response.body).to.equal("no");
    expect(response.headers.get("x-why")).to.equal("no");
    expect(response.headers.get("connection")).to.equal("close");
    await client.closed();
  });

  it("to a service that is away is a problem like any other", async () => {
    const upstream = await RawUpstream.start("");
    const { origin } = upstream;
    await upstream.close();
    const gateway = await before(origin, true);
    const response = await RawClient.exchange(gateway.port, handshake);
    expect(response.status).to.equal(502);
    expect(response.headers.get("content-type")).to.equal("application/problem+json");
  });

  it("with a malformed request is refused like any other", async () => {
    const upstream = await raw(switching());
    const gateway = await before(upstream.origin, true);
    const response = await RawClient.exchange(
      gateway.port,
      handshake.replace("Host: a", "Host: a\r\nHost: b"),
    );
    expect(response.status).to.equal(400);
    expect(upstream.connections).to.have.lengthOf(0);
  });

  it("an open tunnel holds its slot of the service", async () => {
    const upstream = await raw(({ socket }) => void socket.write(switching(), "latin1"));
    const gateway = await before(upstream.origin, true, {
      limits: { maxInFlight: 1, maxQueue: 0, queueTimeoutMs: 1 },
    });
    const client = await RawClient.connect(gateway.port);
    client.send(handshake);
    expect((await client.response()).status).to.equal(101);
    expect((await RawClient.exchange(gateway.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).status).to.equal(
      429,
    );
    client.close();
    await new Promise((resolve) => upstream.connections[0]!.socket.once("close", resolve));
    const again = await RawClient.connect(gateway.port);
    again.send(handshake);
    expect((await again.response()).status).to.equal(101);
    again.close();
  });
});
