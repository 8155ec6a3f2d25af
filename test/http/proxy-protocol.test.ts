/** Connections that begin with a PROXY protocol header: who may send one, and what it changes. */
import { once } from "node:events";
import { connect as connectPlain, createServer, type AddressInfo, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

import { openTlsMaterial, type ProxySettings, type TlsPolicy } from "@sticky-proxy/proxy";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { createAuthority } from "../support/certificates.ts";
import { until } from "../support/until.ts";
import { service, startGateway, type Gateway, type GatewayOptions } from "./gateway.ts";

const get = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
const line = "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n";
const signature = "\r\n\r\n\0\r\nQUIT\n";
const local = `${signature}\x20\x00\x00\x00`;
/** 203.0.113.9 to 192.0.2.1, over TLS. */
const overTls = `${signature}\x21\x11\x00\x14\xcb\x00\x71\x09\xc0\x00\x02\x01\xc3\x50\x01\xbb\x20\x00\x05\x01\x00\x00\x00\x00`;

describe("a PROXY protocol header before a connection", () => {
  let upstream: FakeUpstream;
  let gateway: Gateway | null = null;

  beforeEach(async () => {
    upstream = await FakeUpstream.start();
  });
  afterEach(async () => {
    await gateway?.close();
    gateway = null;
    await upstream.close();
  });

  async function open(
    settings: Partial<Pick<ProxySettings, "proxyProtocol" | "trustedProxies">> = {},
    more: Partial<GatewayOptions> = {},
  ): Promise<number> {
    gateway = await startGateway({
      services: [service(upstream.origin)],
      settings: { proxyProtocol: ["127.0.0.0/8"], ...settings },
      ...more,
    });
    return gateway.port;
  }
  async function dial(port: number): Promise<Socket> {
    const socket = connectPlain(port, "127.0.0.1");
    socket.on("error", () => undefined);
    await once(socket, "connect");
    return socket;
  }
  /** All that comes until the connection closes. */
  async function heard(socket: Socket, bytes: string): Promise<string> {
    let said = "";
    socket.on("data", (part: Buffer) => (said += part.toString("latin1")));
    socket.write(bytes, "latin1");
    await once(socket, "close");
    return said;
  }
  async function ask(port: number, bytes: string): Promise<string> {
    return heard(await dial(port), bytes);
  }
  const seen = (name: string): string | undefined => upstream.last.headers.get(name);
  const clients = (): unknown[] =>
    gateway!.logged.filter(({ event }) => event === "request").map(({ fields }) => fields["client"]);

  it("names the client, to the service and in the log", async () => {
    const port = await open();
    expect(await ask(port, line + get)).to.match(/^HTTP\/1\.1 200 /);
    expect(seen("x-forwarded-for")).to.equal("203.0.113.9");
    expect(seen("forwarded")).to.equal("for=203.0.113.9;proto=http;host=shop.example");
    await until(() => clients().length === 1);
    expect(clients()).to.deep.equal(["203.0.113.9"]);
  });

  it("says the scheme where it tells of TLS", async () => {
    const port = await open();
    expect(await ask(port, overTls + get)).to.match(/^HTTP\/1\.1 200 /);
    expect(seen("x-forwarded-proto")).to.equal("https");
    expect(seen("forwarded")).to.equal("for=203.0.113.9;proto=https;host=shop.example");
  });

  it("may come byte by byte, and holds for all requests of its connection", async () => {
    const port = await open();
    const socket = await dial(port);
    socket.setNoDelay(true);
    for (const byte of line) {
      socket.write(byte, "latin1");
      await new Promise((resolve) => setImmediate(resolve));
    }
    const said = await heard(socket, get.replace("Connection: close\r\n", "") + get);
    expect(said.match(/HTTP\/1\.1 200 /g)).to.have.lengthOf(2);
    expect(upstream.requests.map(({ headers }) => headers.get("x-forwarded-for"))).to.deep.equal([
      "203.0.113.9",
      "203.0.113.9",
    ]);
  });

  it("a long body behind it arrives whole", async () => {
    const port = await open();
    const body = "x".repeat(500_000);
    const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`;
    expect(await ask(port, line + head + body)).to.match(/^HTTP\/1\.1 200 /);
    expect(upstream.last.body.toString()).to.equal(body);
  });

  for (const [what, header] of [
    ["LOCAL", local],
    ["UNKNOWN", "PROXY UNKNOWN\r\n"],
  ] as const) {
    it(`${what}: the connection is the balancer's own`, async () => {
      const port = await open();
      expect(await ask(port, header + get)).to.match(/^HTTP\/1\.1 200 /);
      expect(seen("x-forwarded-for")).to.equal("127.0.0.1");
    });
  }

  it("the client's own fields are not believed, unless the balancer's are", async () => {
    const said = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\n";
    const forged = get.replace("Connection", `${said}Connection`);
    await ask(await open(), line + forged);
    expect(seen("forwarded")).to.equal("for=203.0.113.9;proto=http;host=shop.example");
    await gateway!.close();
    await ask(await open({ trustedProxies: ["127.0.0.0/8"] }), line + forged);
    expect(seen("forwarded")).to.equal("for=203.0.113.9;proto=https;host=evil.example");
    expect(seen("x-forwarded-for")).to.equal("203.0.113.9");
  });

  it("must come from a peer that is named to send it", async () => {
    const port = await open();
    const said = await ask(port, get);
    expect(said).to.match(/^HTTP\/1\.1 400 /);
    expect(said).to.include("A PROXY protocol header is expected from this peer: there is none.");
    expect(gateway!.logged.find(({ event }) => event === "proxy-protocol.refused")?.fields).to.deep.equal({
      client: "127.0.0.1",
      reason: "there is none",
    });
    expect(upstream.requests).to.have.lengthOf(0);
  });

  for (const [what, header] of [
    ["v1", line],
    ["v2", overTls],
  ] as const) {
    it(`is refused from everybody else: ${what}`, async () => {
      const port = await open({ proxyProtocol: ["192.0.2.0/24"], trustedProxies: ["127.0.0.0/8"] });
      const said = await ask(port, header + get);
      expect(said).to.match(/^HTTP\/1\.1 400 /);
      expect(said).to.include(
        "A PROXY protocol header is taken from the peers that proxyProtocol names alone.",
      );
      expect(upstream.requests).to.have.lengthOf(0);
      expect(await ask(port, get)).to.match(/^HTTP\/1\.1 200 /);
    });
  }

  it("that never ends holds no connection for longer than a request's head may take", async () => {
    const port = await open({}, { limits: { headersTimeoutMs: 100 } });
    expect(await ask(port, "PROXY TCP4 ")).to.include("it does not come in time");
  });

  it("that is awaited does not keep the gateway from ending", async () => {
    const port = await open();
    const socket = await dial(port);
    socket.write("PROXY ");
    const closed = once(socket, "close");
    await ask(port, line + get);
    await gateway!.close();
    gateway = null;
    await closed;
  });

  it("a client that leaves before its end is forgotten", async () => {
    const port = await open();
    const socket = await dial(port);
    socket.end("PROXY ");
    await once(socket, "close");
    expect(await ask(port, line + get)).to.match(/^HTTP\/1\.1 200 /);
  });

  it("counts its source against the limit of connections, not the balancer", async () => {
    const port = await open({}, { limits: { maxConnectionsPerAddress: 1 } });
    const first = await dial(port);
    first.write(line + get.replace("Connection: close\r\n", ""));
    await once(first, "data");
    expect(await ask(port, line + get), "the same source").to.equal("");
    expect(await ask(port, line.replace("113.9", "113.10") + get)).to.match(/^HTTP\/1\.1 200 /);
    first.destroy();
  });

  describe("with TLS behind it", () => {
    let ca = "";

    async function openTls(): Promise<number> {
      const authority = await createAuthority();
      ca = authority.cert;
      const { cert, key } = await authority.issue(["shop.example"]);
      const files: Record<string, string> = { "a.pem": cert, "a.key": key };
      const policy: TlsPolicy = {
        cert: "a.pem",
        key: "a.key",
        others: [],
        minVersion: "TLSv1.2",
        clientCa: null,
        clientCertificates: "request",
      };
      const material = await openTlsMaterial(policy, async (path) => Buffer.from(files[path]!));
      return open({}, { tls: { policy, material } });
    }
    async function secured(port: number, header: string): Promise<Socket> {
      const socket = await dial(port);
      socket.write(header, "latin1");
      const secure = connectTls({ socket, ca, servername: "shop.example" });
      await once(secure, "secureConnect");
      return secure;
    }

    it("it comes before the handshake, and each connection keeps its own", async () => {
      const port = await openTls();
      const sources = ["203.0.113.1", "203.0.113.2", "203.0.113.3"];
      const sockets = await Promise.all(
        sources.map((source) => secured(port, line.replace("203.0.113.9", source))),
      );
      for (const [i, socket] of sockets.entries()) {
        expect(await heard(socket, get)).to.match(/^HTTP\/1\.1 200 /);
        expect(seen("forwarded")).to.equal(`for=${sources[i]};proto=https;host=shop.example`);
      }
      expect(await heard(await secured(port, local), get)).to.match(/^HTTP\/1\.1 200 /);
      expect(seen("x-forwarded-for")).to.equal("127.0.0.1");
    });

    it("header and handshake may come in one packet", async () => {
      const port = await openTls();
      const relay = createServer((client) => {
        client.once("data", (hello: Buffer) => {
          const onward = connectPlain(port, "127.0.0.1");
          onward.write(Buffer.concat([Buffer.from(line), hello]));
          client.pipe(onward).pipe(client);
        });
      }).listen(0, "127.0.0.1");
      await once(relay, "listening");
      const at = (relay.address() as AddressInfo).port;
      const secure = connectTls({ port: at, host: "127.0.0.1", ca, servername: "shop.example" });
      await once(secure, "secureConnect");
      expect(await heard(secure, get)).to.match(/^HTTP\/1\.1 200 /);
      expect(seen("x-forwarded-for")).to.equal("203.0.113.9");
      relay.close();
    });

    it("a handshake without it is refused", async () => {
      const port = await openTls();
      const secure = connectTls({ port, host: "127.0.0.1", ca, servername: "shop.example" });
      await once(secure, "error");
      await until(() => gateway!.logged.some(({ event }) => event === "proxy-protocol.refused"));
    });
  });
});
