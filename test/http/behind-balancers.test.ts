/**
 * What a service is told of client, scheme and host when a real HAProxy or nginx stands in front, by plain and by cached
 * routes. The balancers pretend that their client is 203.0.113.9.
 */
import { once } from "node:events";
import http, { type IncomingMessage } from "node:http";
import https from "node:https";

import { openTlsMaterial, type ProxySettings, type TlsPolicy } from "@sticky-proxy/proxy";
import { describeWithRedis, FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { startReplicas, type Replicas } from "../cache/replicas.ts";
import { createAuthority, type Authority, type Pair } from "../support/certificates.ts";
import { startHaproxy, startNginx, type FrontServer } from "../support/front-servers.ts";
import { service, startGateway, type Gateway } from "./gateway.ts";

type Trust = Partial<Pick<ProxySettings, "trustedProxies" | "proxyProtocol">>;

const loopback = ["127.0.0.1/32", "::1/128"];
const client = "203.0.113.9";
const usual =
  "defaults\n timeout connect 30s\n timeout client 60s\n timeout server 60s\n" +
  "global\n tune.ssl.default-dh-param 2048\n";

describeWithRedis("behind real balancers", function () {
  this.timeout(180_000);
  let authority: Authority;
  let pair: Pair;
  let upstream: FakeUpstream;
  const running: { stop(): Promise<void> }[] = [];

  before(async () => {
    authority = await createAuthority();
    pair = await authority.issue(["shop.example"]);
  });
  beforeEach(async () => {
    upstream = await FakeUpstream.start();
  });
  afterEach(async () => {
    for (const each of running.splice(0).reverse()) await each.stop();
    await upstream.close();
  });

  const pem = (): { "both.pem": string; "cert.pem": string; "key.pem": string } => ({
    "both.pem": `${pair.cert}\n${pair.key}`,
    "cert.pem": pair.cert,
    "key.pem": pair.key,
  });
  async function plain(trust: Trust, isSecure = false): Promise<number> {
    const policy: TlsPolicy = {
      cert: "cert.pem",
      key: "key.pem",
      others: [],
      minVersion: "TLSv1.2",
      clientCa: null,
      clientCertificates: "request",
    };
    const read = async (name: string): Promise<Buffer> => Buffer.from(pem()[name as "cert.pem"]);
    const gateway: Gateway = await startGateway({
      services: [service(upstream.origin)],
      settings: trust,
      ...(isSecure ? { tls: { policy, material: await openTlsMaterial(policy, read) } } : {}),
    });
    running.push({ stop: () => gateway.close() });
    return gateway.port;
  }
  async function cached(trust: Trust): Promise<number> {
    const replicas: Replicas = await startReplicas({
      origin: upstream.origin,
      settings: trust,
      // Else a cached page is made for every host, and its service hears of none.
      service: { preserveHost: true },
    });
    running.push({ stop: () => replicas.close() });
    return replicas.ports[0]!;
  }
  async function front(starting: Promise<FrontServer>): Promise<number> {
    const server = await starting;
    running.push(server);
    return server.port;
  }
  async function get(port: number, how: "http" | "https", headers: Record<string, string> = {}) {
    const options = {
      port,
      host: "127.0.0.1",
      path: "/page",
      agent: false,
      headers: { Host: "shop.example", ...headers },
      ca: authority.cert,
      servername: "shop.example",
    };
    const request = how === "http" ? http.request(options) : https.request(options);
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    response.resume();
    await once(response, "end");
    return response.statusCode;
  }
  const told = (): Record<string, string | undefined> =>
    Object.fromEntries(
      ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map((name) => [
        name,
        upstream.last.headers.get(name),
      ]),
    );
  const facts = (hops: readonly string[], protocol: string) => ({
    forwarded: hops
      .map((hop, i) => `for=${hop}${i === 0 ? `;proto=${protocol};host=shop.example` : ""}`)
      .join(", "),
    "x-forwarded-for": hops.join(", "),
    "x-forwarded-proto": protocol,
    "x-forwarded-host": "shop.example",
  });
  const forged = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Forwarded-Proto": "https",
    Forwarded: "for=6.6.6.6;host=evil",
  };

  /** HAProxy that ends TLS and speaks HTTP; `line` adds to the server's line. */
  const endsTls = (gateway: number, line: string) =>
    startHaproxy(
      (port, folder) =>
        `${usual}frontend front\n mode http\n bind 127.0.0.1:${port} ssl crt ${folder}/both.pem\n` +
        ` http-request set-src str(${client})\n http-request del-header Forwarded\n` +
        ` http-request set-header X-Forwarded-Proto https\n` +
        ` http-request set-header X-Forwarded-For %[src]\n default_backend gateway\n` +
        `backend gateway\n mode http\n server one 127.0.0.1:${gateway} ${line}\n`,
      pem(),
    );
  /** HAProxy that passes bytes on; `bind` and `line` add to its ends. */
  const passesOn = (gateway: number, line: string, bind = "") =>
    startHaproxy(
      (port, folder) =>
        `${usual}listen front\n mode tcp\n bind 127.0.0.1:${port} ${bind.replace("FOLDER", folder)}\n` +
        ` tcp-request connection set-src str(${client})\n server one 127.0.0.1:${gateway} ${line}\n`,
      pem(),
    );

  for (const [what, open] of [
    ["a plain route", plain],
    ["a cached route", cached],
  ] as const) {
    it(`${what} behind HAProxy that ends TLS`, async () => {
      const port = await front(endsTls(await open({ trustedProxies: loopback }), ""));
      expect(await get(port, "https", forged)).to.equal(200);
      expect(told()).to.deep.equal(facts([client, "127.0.0.1"], "https"));
    });

    it(`${what} behind HAProxy that ends TLS and sends the PROXY protocol too`, async () => {
      const trust = { trustedProxies: loopback, proxyProtocol: loopback };
      const port = await front(endsTls(await open(trust), "send-proxy-v2"));
      expect(await get(port, "https", forged)).to.equal(200);
      expect(told()).to.deep.equal(facts([client], "https"));
    });

    for (const version of ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"])
      it(`${what} behind HAProxy of layer 4: ${version}`, async () => {
        const port = await front(passesOn(await open({ proxyProtocol: loopback }), version));
        expect(await get(port, "http", forged)).to.equal(200);
        expect(told()).to.deep.equal(facts([client], "http"));
      });

    it(`${what} behind HAProxy of layer 4 that ends TLS: send-proxy-v2-ssl`, async () => {
      const gateway = await open({ proxyProtocol: loopback });
      const port = await front(passesOn(gateway, "send-proxy-v2-ssl", "ssl crt FOLDER/both.pem"));
      expect(await get(port, "https")).to.equal(200);
      expect(told()).to.deep.equal(facts([client], "https"));
    });

    it(`${what} behind nginx that ends TLS`, async () => {
      const gateway = await open({ trustedProxies: loopback });
      const port = await front(
        startNginx(
          (at, folder) =>
            `server { listen 127.0.0.1:${at} ssl; ssl_certificate ${folder}/cert.pem; ssl_certificate_key ${folder}/key.pem;\n` +
            `set_real_ip_from 127.0.0.1; real_ip_header X-Test-Client;\n` +
            `location / { proxy_pass http://127.0.0.1:${gateway}; proxy_http_version 1.1; proxy_set_header Host $host;\n` +
            `proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header Forwarded ""; } }`,
          pem(),
        ),
      );
      expect(await get(port, "https", { ...forged, "X-Test-Client": client })).to.equal(200);
      expect(told()).to.deep.equal(facts([client, "127.0.0.1"], "https"));
    });
  }

  it("TLS of the gateway's own behind HAProxy of layer 4, which checks it without a client", async () => {
    const gateway = await plain({ proxyProtocol: loopback }, true);
    const port = await front(passesOn(gateway, "send-proxy-v2 check check-send-proxy inter 100"));
    expect(await get(port, "https", forged)).to.equal(200);
    expect(told()).to.deep.equal(facts([client], "https"));
  });

  it("HAProxy that is not named to send the PROXY protocol is refused", async () => {
    const port = await front(passesOn(await plain({ trustedProxies: loopback }), "send-proxy-v2"));
    expect(await get(port, "http")).to.equal(400);
    expect(upstream.requests).to.have.lengthOf(0);
  });

  for (const [what, value, hops] of [
    ["a port", "203.0.113.9:50123", [client, "127.0.0.1"]],
    ["brackets and a port", "[2001:db8::9]:50123", ['"[2001:db8::9]"', "127.0.0.1"]],
    ["brackets", "[2001:db8::9]", ['"[2001:db8::9]"', "127.0.0.1"]],
    ["nothing", "", ["127.0.0.1"]],
    ["an empty first member", ", 203.0.113.9", [client, "127.0.0.1"]],
  ] as const)
    it(`X-Forwarded-For with ${what}, as nginx passes it on`, async () => {
      const gateway = await cached({ trustedProxies: loopback });
      const port = await front(
        startNginx(
          (at) =>
            `server { listen 127.0.0.1:${at}; location / { proxy_pass http://127.0.0.1:${gateway}; proxy_http_version 1.1;\n` +
            `proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto https; } }`,
        ),
      );
      expect(await get(port, "http", { "X-Forwarded-For": value })).to.equal(200);
      const expected = facts(hops, "https");
      const bare = hops.map((hop) => hop.replaceAll(/["[\]]/g, "")).join(", ");
      expect(told()).to.deep.equal({ ...expected, "x-forwarded-for": bare });
    });
});
