/** Services over TLS: whom the gateway trusts, what it shows, and what a client is told when it does not work out. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";

import type { UpstreamTls } from "@sticky-proxy/core/registry";
import { RawClient } from "@sticky-proxy/testkit";
import { createAddressGuard, createOutboundCaller } from "@sticky-proxy/upstream";
import { expect } from "chai";

import { service, startGateway, type Gateway } from "../http/gateway.ts";
import { createAuthority, type Authority, type Pair } from "../support/certificates.ts";

describe("a service over TLS", () => {
  let folder: string;
  let authority: Authority;
  let server: Server;
  let seen: { readonly servername: string | false | null; readonly client: string | null }[];
  const open: Gateway[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "sticky-tls-"));
    authority = await createAuthority();
  });
  after(() => rmSync(folder, { recursive: true }));
  afterEach(async () => {
    for (const gateway of open.splice(0)) await gateway.close();
    server.closeAllConnections?.();
    await new Promise((resolve) => server.close(resolve));
  });

  function file(name: string, content: string): string {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  }
  async function serve(pair: Pair, more: object = {}): Promise<string> {
    seen = [];
    server = createServer({ ...pair, ...more }, (request, response) => {
      const socket = request.socket as TLSSocket & { servername?: string | false };
      seen.push({
        servername: socket.servername ?? null,
        client: socket.getPeerX509Certificate()?.subject ?? null,
      });
      response.end("secret");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const trusting = (more: Partial<UpstreamTls> = {}): UpstreamTls => ({
    ca: file("ca.pem", authority.cert),
    cert: null,
    key: null,
    serverName: null,
    minVersion: "TLSv1.2",
    ...more,
  });
  async function ask(origin: string, tls: UpstreamTls | null) {
    const gateway = await startGateway({ services: [service(origin, { tls })] });
    open.push(gateway);
    const response = await RawClient.exchange(gateway.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return { status: response.status, body: response.body };
  }

  it("is trusted by its own authority alone", async () => {
    const origin = await serve(await authority.issue(["127.0.0.1"]));
    expect(await ask(origin, trusting())).to.deep.equal({ status: 200, body: "secret" });
    const refused = await ask(origin, null);
    expect(refused.status).to.equal(502);
    expect(refused.body).to.include("authority that is not trusted").and.to.include('"executed":"no"');
    const other = file("other.pem", (await createAuthority("other")).cert);
    expect((await ask(origin, trusting({ ca: other }))).status).to.equal(502);
    expect(seen).to.have.lengthOf(1);
  });

  it("is asked for by the configured name, which its certificate must have", async () => {
    const origin = await serve(await authority.issue(["pay.internal"]));
    const wrong = await ask(origin, trusting());
    expect(wrong.body).to.include("is for another name");
    expect((await ask(origin, trusting({ serverName: "pay.internal" }))).status).to.equal(200);
    expect(seen.map(({ servername }) => servername)).to.deep.equal(["pay.internal"]);
  });

  it("that knows HTTP/2 as well is spoken to in HTTP/1.1", async () => {
    seen = [];
    const versions: string[] = [];
    const both = createSecureServer(
      { ...(await authority.issue(["127.0.0.1"])), allowHTTP1: true },
      (request, response) => {
        versions.push(request.httpVersion);
        response.end("both");
      },
    );
    server = both as unknown as Server;
    await new Promise<void>((resolve) => both.listen(0, "127.0.0.1", resolve));
    const origin = `https://127.0.0.1:${(both.address() as AddressInfo).port}`;
    expect(await ask(origin, trusting())).to.deep.equal({ status: 200, body: "both" });
    expect(versions).to.deep.equal(["1.1"]);
  });

  it("that has expired is told so", async () => {
    const origin = await serve(
      await authority.issue(["127.0.0.1"], { notAfter: new Date(Date.now() - 1000) }),
    );
    expect((await ask(origin, trusting())).body).to.include("certificate has expired");
  });

  it("is shown the gateway's own certificate", async () => {
    const origin = await serve(await authority.issue(["127.0.0.1"]), {
      ca: authority.cert,
      requestCert: true,
    });
    const mine = await authority.issue(["gateway-one"]);
    const tls = trusting({ cert: file("mine.pem", mine.cert), key: file("mine.key", mine.key) });
    expect((await ask(origin, tls)).status).to.equal(200);
    expect(seen.map(({ client }) => client)).to.deep.equal(["CN=gateway-one"]);
  });

  it("whose least version is too low for us is not spoken to", async () => {
    const origin = await serve(await authority.issue(["127.0.0.1"]), { maxVersion: "TLSv1.2" });
    expect((await ask(origin, trusting())).status).to.equal(200);
    const refused = await ask(origin, trusting({ minVersion: "TLSv1.3" }));
    expect(refused.status).to.equal(502);
    expect(refused.body).to.include('"executed":"no"');
  });

  it("whose files cannot be read is not called, and that is told", async () => {
    const origin = await serve(await authority.issue(["127.0.0.1"]));
    const { status, body } = await ask(origin, trusting({ ca: join(folder, "absent.pem") }));
    expect(status).to.equal(502);
    expect(body).to.include("files for TLS").and.to.include('"executed":"no"');
    expect(body).to.not.include(folder);
  });

  it("is checked, polled and told with the same trust", async () => {
    const origin = await serve(await authority.issue(["pay.internal"]), {
      ca: authority.cert,
      requestCert: true,
    });
    const caller = createOutboundCaller(createAddressGuard({ allowPrivate: true }));
    const mine = await authority.issue(["gateway-two"]);
    const tls = trusting({
      cert: file("two.pem", mine.cert),
      key: file("two.key", mine.key),
      serverName: "pay.internal",
    });
    const call = (policy: UpstreamTls | null) =>
      caller.call({
        method: "GET",
        url: new URL(origin),
        headers: [],
        body: null,
        tls: policy,
        timeoutMs: 5000,
        maxBytes: 100,
      });
    expect(await call(tls)).to.include({ kind: "answered", status: 200 });
    expect(await call(null)).to.include({ kind: "failed", reason: "connection" });
    expect(await call({ ...tls, ca: join(folder, "absent.pem") })).to.include({ kind: "failed" });
    expect(seen).to.deep.equal([{ servername: "pay.internal", client: "CN=gateway-two" }]);
    caller.close();
  });
});
