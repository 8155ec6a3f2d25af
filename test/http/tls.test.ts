/** The listener over TLS: which certificate is shown, what a client's certificate proves, and that nothing else changes. */
import { once } from "node:events";
import https from "node:https";
import { connect as connectPlain } from "node:net";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";

import { createAuthenticator, openTlsMaterial, type TlsPolicy } from "@sticky-proxy/proxy";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { createAuthority, type Authority, type Pair } from "../support/certificates.ts";
import { until } from "../support/until.ts";
import { route, service, startGateway, type Gateway } from "./gateway.ts";

const policy: TlsPolicy = {
  cert: "shop.pem",
  key: "shop.key",
  others: [{ cert: "wild.pem", key: "wild.key" }],
  minVersion: "TLSv1.2",
  clientCa: null,
  clientCertificates: "request",
};

describe("a listener with TLS", () => {
  let authority: Authority;
  let upstream: FakeUpstream;
  let files: Map<string, string>;
  let gateway: Gateway | null = null;

  before(async () => {
    authority = await createAuthority();
  });
  beforeEach(async () => {
    upstream = await FakeUpstream.start();
    files = new Map();
    put("shop", await authority.issue(["shop.example", "127.0.0.1"]));
    put("wild", await authority.issue(["*.pay.example"]));
  });
  afterEach(async () => {
    await gateway?.close();
    gateway = null;
    await upstream.close();
  });

  function put(name: string, pair: Pair): void {
    files.set(`${name}.pem`, pair.cert).set(`${name}.key`, pair.key);
  }
  async function open(
    more: Partial<TlsPolicy> = {},
    options: Partial<Parameters<typeof startGateway>[0]> = {},
  ) {
    const used = { ...policy, ...more };
    const material = await openTlsMaterial(used, async (path) => {
      const content = files.get(path);
      if (content === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
      return Buffer.from(content);
    });
    gateway = await startGateway({
      services: [service(upstream.origin, { routes: [route({ allowUpgrade: true })] })],
      ...options,
      tls: { policy: used, material },
    });
    return { material, port: gateway.port };
  }
  async function dial(port: number, more: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({
      port,
      host: "127.0.0.1",
      ca: authority.cert,
      servername: "shop.example",
      ...more,
    });
    await once(socket, "secureConnect");
    return socket;
  }
  async function shown(port: number, servername: string): Promise<string> {
    const socket = await dial(port, { servername, checkServerIdentity: () => undefined });
    const { subject } = socket.getPeerX509Certificate()!;
    socket.destroy();
    return subject;
  }
  async function ask(
    port: number,
    more: https.RequestOptions = {},
  ): Promise<{ status: number; body: string }> {
    const request = https.request({
      port,
      host: "127.0.0.1",
      ca: authority.cert,
      servername: "shop.example",
      headers: { Host: "shop.example" },
      agent: false,
      ...more,
    });
    request.end();
    const [response] = (await once(request, "response")) as [import("node:http").IncomingMessage];
    let body = "";
    for await (const part of response) body += String(part);
    return { status: response.statusCode!, body };
  }
  async function raw(socket: TLSSocket, bytes: string): Promise<string> {
    let said = "";
    socket.on("data", (part: Buffer) => (said += part.toString("latin1")));
    socket.write(bytes);
    await once(socket, "close");
    return said;
  }

  it("answers over it, tells the service https, and offers HTTP/1.1 alone", async () => {
    const { port } = await open();
    expect((await ask(port)).status).to.equal(200);
    expect(upstream.last.headers.get("x-forwarded-proto")).to.equal("https");
    expect(upstream.last.headers.get("forwarded")).to.include("proto=https");
    const socket = await dial(port, { ALPNProtocols: ["h2", "http/1.1"] });
    expect([socket.alpnProtocol, socket.getProtocol()]).to.deep.equal(["http/1.1", "TLSv1.3"]);
    socket.destroy();
  });

  it("speaks no version below the least one", async () => {
    const { port } = await open({ minVersion: "TLSv1.3" });
    const socket = connect({ port, host: "127.0.0.1", ca: authority.cert, maxVersion: "TLSv1.2" });
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).to.match(/PROTOCOL_VERSION/);
    expect((await ask(port)).status).to.equal(200);
  });

  it("shows the certificate of the name that is asked for, wildcards included, else the first", async () => {
    const { port } = await open();
    expect(await shown(port, "shop.example")).to.equal("CN=shop.example");
    expect(await shown(port, "eu.pay.example")).to.equal("CN=any.pay.example");
    expect(await shown(port, "a.b.pay.example")).to.equal("CN=shop.example");
    expect(await shown(port, "elsewhere.example")).to.equal("CN=shop.example");
    expect(await shown(port, ""), "a client without SNI").to.equal("CN=shop.example");
  });

  it("takes new files over for new connections, and drops none", async () => {
    const { port, material } = await open();
    const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: authority.cert });
    expect((await ask(port, { agent })).status).to.equal(200);
    const before = Object.values(agent.freeSockets)[0]![0]!;
    put(
      "shop",
      await authority.issue(["shop.example", "127.0.0.1", "renewed.example"], { uri: "urn:renewed" }),
    );
    expect(await material.reload()).to.equal("replaced");
    expect(await material.reload()).to.equal("same");
    for (const servername of ["shop.example", ""]) {
      const socket = await dial(port, { servername, checkServerIdentity: () => undefined });
      expect(socket.getPeerX509Certificate()!.subjectAltName, servername).to.include("renewed.example");
      socket.destroy();
    }
    expect((await ask(port, { agent })).status).to.equal(200);
    expect(Object.values(agent.freeSockets)[0]![0]).to.equal(before);
    agent.destroy();
  });

  it("keeps what it has when the new files cannot be used, and says what is wrong with them", async () => {
    const { port, material } = await open();
    const good = new Map(files);
    for (const [spoil, words] of [
      [() => files.delete("wild.key"), /wild\.key cannot be read: ENOENT/],
      [
        () => files.set("shop.key", files.get("wild.key")!),
        /shop\.pem and shop\.key are no certificate with its key/,
      ],
      [() => files.set("shop.pem", "rubbish"), /shop\.pem and shop\.key are no certificate/],
    ] as const) {
      files = new Map(good);
      spoil();
      const error = await material.reload().catch((reason: unknown) => reason as Error);
      expect(error).to.be.instanceOf(Error);
      expect((error as Error).message).to.match(words);
      expect(await shown(port, "eu.pay.example")).to.equal("CN=any.pay.example");
    }
  });

  it("is as strict about requests as without", async () => {
    const { port } = await open();
    for (const bad of [
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
      "\x16\x03\r\n\r\n",
    ])
      expect(await raw(await dial(port), bad), bad).to.match(/^HTTP\/1\.1 400 /);
    expect(upstream.requests).to.have.lengthOf(0);
  });

  it("a client that leaves without a word holds nothing up", async () => {
    const { port } = await open();
    const socket = await dial(port);
    socket.destroy();
    await gateway!.server.close();
  });

  it("clear text on its port, and a handshake that ends early, are told and harm nobody", async () => {
    const { port } = await open();
    const plain = connectPlain(port, "127.0.0.1");
    plain.on("error", () => undefined);
    plain.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(plain, "close");
    await until(() => gateway!.logged.some(({ event }) => event === "tls.refused"));
    expect((await ask(port)).status).to.equal(200);
  });

  describe("that asks for certificates", () => {
    const authenticator = createAuthenticator(
      {
        methods: [{ type: "client-certificate", principal: "common-name" }],
        principalField: "x-principal",
        identityFields: [],
      },
      {} as never,
    );
    const named = { authenticator };
    const guarded = () => ({
      ...named,
      services: [service(upstream.origin, { authentication: "required" })],
    });

    it("takes its name for the principal, and no client's own word", async () => {
      files.set("ca.pem", authority.cert);
      const { port } = await open({ clientCa: "ca.pem" }, guarded());
      const alice = await authority.issue(["alice"]);
      const headers = { Host: "shop.example", "X-Principal": "root" };
      expect((await ask(port, { ...alice, headers })).status).to.equal(200);
      expect(upstream.last.headers.get("x-principal")).to.equal("alice");
      expect((await ask(port)).status, "without one").to.equal(401);
    });

    it("does not believe another authority's certificate, nor one that has ended", async () => {
      files.set("ca.pem", authority.cert);
      const { port } = await open({ clientCa: "ca.pem" }, guarded());
      const stranger = await (await createAuthority("somebody else")).issue(["alice"]);
      const ended = await authority.issue(["alice"], { notAfter: new Date(Date.now() - 60_000) });
      for (const pair of [stranger, ended]) expect((await ask(port, pair)).status).to.equal(401);
      expect(upstream.requests).to.have.lengthOf(0);
    });

    it("can refuse the handshake without one", async () => {
      files.set("ca.pem", authority.cert);
      const { port } = await open({ clientCa: "ca.pem", clientCertificates: "require" }, guarded());
      const failed = await ask(port).then(
        () => null,
        (error: unknown) => error as NodeJS.ErrnoException,
      );
      expect(failed).to.not.equal(null);
      expect((await ask(port, await authority.issue(["bob"]))).status).to.equal(200);
    });
  });
});
