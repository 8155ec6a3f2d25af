/** What becomes of a request on its way to the service (RFC 9110 7, RFC 9112 3, 6, 7). */
import { defaultCachePolicy } from "@sticky-proxy/core/cache";
import { FakeUpstream, RawClient } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { route, service, startGateway, type Gateway } from "./gateway.ts";

describe("a request on its way to the service", () => {
  let upstream: FakeUpstream;
  let gateway: Gateway;

  beforeEach(async () => {
    upstream = await FakeUpstream.start();
    gateway = await startGateway({
      services: [
        service(upstream.origin, {
          routes: [route({ match: { methods: ["POST"], path: "/small" }, maxBodyBytes: 10 })],
        }),
      ],
    });
  });

  afterEach(async () => {
    await gateway.close();
    await upstream.close();
  });

  async function sent(lines: string, body = ""): Promise<FakeUpstream["last"]> {
    const response = await RawClient.exchange(gateway.port, `${lines}\r\n${body}`);
    expect(response.status).to.equal(200);
    return upstream.last;
  }

  it("the target is passed on octet for octet where no route decides about it", async () => {
    const request = await sent("GET /a%7eb/%c3%a9;v=1?q=%2F&[x]=|y HTTP/1.1\r\nHost: a\r\n");
    expect(request.target).to.equal("/a%7eb/%c3%a9;v=1?q=%2F&[x]=|y");
  });

  it("below a prefix the normalised path is what the service gets", async () => {
    const prefixed = await startGateway({
      services: [service(upstream.origin, { match: { host: null, path: "/up" } })],
    });
    try {
      const response = await RawClient.exchange(
        prefixed.port,
        "GET /u%70/a%7eb%c3%a9 HTTP/1.1\r\nHost: a\r\n\r\n",
      );
      expect(response.status).to.equal(200);
      expect(upstream.last.target).to.equal("/a~b%C3%A9");
      const other = await RawClient.exchange(prefixed.port, "GET /upper HTTP/1.1\r\nHost: a\r\n\r\n");
      expect(other.status).to.equal(404);
    } finally {
      await prefixed.close();
    }
  });

  it("what browsers leave unencoded and dot segments reach the service in their normal form", async () => {
    for (const [target, path] of [
      ["/list[2]/{a}|b^c?x=[1]|{y}", "/list%5B2%5D/%7Ba%7D%7Cb%5Ec?x=[1]|{y}"],
      ["/./a/./b/.", "/a/b/"],
      ["/%2e/a", "/a"],
    ]) {
      expect((await sent(`GET ${target!} HTTP/1.1\r\nHost: a\r\n`)).target).to.equal(path);
    }
  });

  it("encoded slashes and empty segments reach a service whose route says so, as they are", async () => {
    const registry = await startGateway({
      services: [
        service(upstream.origin, {
          routes: [
            route({ match: { methods: [], path: "/api/:kind/queues/*" }, encodedSlash: true }),
            route({ match: { methods: [], path: "/objects" }, emptySegments: true, encodedSlash: true }),
            route({ match: { methods: [], path: "//" }, emptySegments: true }),
          ],
        }),
      ],
    });
    try {
      for (const [target, status] of [
        ["/api/a/queues/%2f", 200],
        ["/api/a/queues/%2F/x", 200],
        ["/api/a/queues//", 400],
        ["/objects//a//b%2Fc", 200],
        ["//evil.test/a", 200],
        ["//evil.test/a%2F", 400],
        ["/other//a", 400],
        ["/other/%2F", 400],
        ["/objects/..%2Fa", 400],
        ["/objects/a%2F%2e%2e", 400],
      ] as const) {
        const response = await RawClient.exchange(registry.port, `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
        expect(response.status, target).to.equal(status);
        if (status === 200) expect(upstream.last.target).to.equal(target.replace("%2f", "%2F"));
      }
      expect(registry.logged.some(({ fields }) => fields["problem"] === "path-invalid")).to.equal(true);
    } finally {
      await registry.close();
    }
  });

  it("a refusal logs method, path and client, and no query", async () => {
    for (const line of [
      "DELETE /a/../b?token=secret HTTP/1.1\r\nHost: a",
      "PUT /x HTTP/1.1\r\nHost: a\r\nBad Field: x",
    ])
      await RawClient.exchange(gateway.port, `${line}\r\n\r\n`);
    const told = gateway.logged
      .filter(({ event }) => event === "request.refused")
      .map(({ fields }) => fields);
    expect(told[0]).to.include({
      method: "DELETE",
      path: "/a/../b",
      client: "127.0.0.1",
      problem: "path-invalid",
    });
    expect(told[1]).to.include({
      method: "PUT",
      path: "/x",
      client: "127.0.0.1",
      problem: "malformed-request",
    });
    expect(JSON.stringify(told)).not.to.contain("secret");
  });

  it("an absolute target is routed and forwarded by its own authority, and Host is ignored", async () => {
    const named = await startGateway({
      services: [
        service(upstream.origin, { match: { host: "right.example", path: "/" }, preserveHost: true }),
      ],
    });
    try {
      const request = "GET http://right.example:81/x?y HTTP/1.1\r\nHost: wrong.example\r\n\r\n";
      expect((await RawClient.exchange(named.port, request)).status).to.equal(200);
      expect(upstream.last.target).to.equal("/x?y");
      expect(upstream.last.headers.get("host")).to.equal("right.example:81");
      const foreign = await RawClient.exchange(
        named.port,
        "GET http://169.254.169.254/ HTTP/1.1\r\nHost: right.example\r\n\r\n",
      );
      expect(foreign.status).to.equal(404);
    } finally {
      await named.close();
    }
  });

  it("an https URI in clear text is 421, but for a proxy of ours that ended the TLS", async () => {
    const bytes = "GET HTTPS://right.example/x HTTP/1.1\r\nHost: right.example\r\n\r\n";
    const refused = await RawClient.exchange(gateway.port, bytes);
    expect(refused.status).to.equal(421);
    expect(upstream.requests).to.have.lengthOf(0);
    const behind = await startGateway({
      services: [service(upstream.origin)],
      settings: { trustedProxies: ["127.0.0.0/8"] },
    });
    expect((await RawClient.exchange(behind.port, bytes)).status).to.equal(200);
    expect(upstream.last.target).to.equal("/x");
    await behind.close();
  });

  it("a service found by host matches in any case and with any port", async () => {
    const named = await startGateway({
      services: [service(upstream.origin, { match: { host: "api.example", path: "/" } })],
    });
    try {
      expect(
        (await RawClient.exchange(named.port, "GET / HTTP/1.1\r\nHost: API.Example:8080\r\n\r\n")).status,
      ).to.equal(200);
      expect((await RawClient.exchange(named.port, "GET / HTTP/1.1\r\nHost: b\r\n\r\n")).status).to.equal(
        404,
      );
    } finally {
      await named.close();
    }
  });

  it("a gateway with configured hosts answers 421 for others", async () => {
    const own = await startGateway({ services: [service(upstream.origin)], settings: { hosts: ["mine"] } });
    try {
      expect((await RawClient.exchange(own.port, "GET / HTTP/1.1\r\nHost: mine:80\r\n\r\n")).status).to.equal(
        200,
      );
      expect((await RawClient.exchange(own.port, "GET / HTTP/1.1\r\nHost: other\r\n\r\n")).status).to.equal(
        421,
      );
      expect((await RawClient.exchange(own.port, "GET / HTTP/1.0\r\n\r\n")).status).to.equal(421);
    } finally {
      await own.close();
    }
  });

  it("Host is the instance's", async () => {
    const request = await sent("GET / HTTP/1.1\r\nHost: public.example\r\n");
    expect(request.headers.get("host")).to.equal(new URL(upstream.origin).host);
    expect(request.headers.get("x-forwarded-host")).to.equal("public.example");
  });

  it("connection fields and every field that Connection names stay behind", async () => {
    const request = await sent(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop, x-other\r\nX-Hop: 1\r\nX-Other: 2\r\nKeep-Alive: 5\r\n" +
        "Proxy-Connection: x\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nProxy-Authorization: secret\r\n" +
        "X-End: 3\r\n",
    );
    for (const name of [
      "x-hop",
      "x-other",
      "keep-alive",
      "proxy-connection",
      "te",
      "upgrade",
      "http2-settings",
      "proxy-authorization",
    ]) {
      expect(request.headers.has(name), name).to.equal(false);
    }
    expect(request.headers.get("connection")).to.equal("keep-alive");
    expect(request.headers.get("x-end")).to.equal("3");
  });

  it("Connection cannot strip what the next hop decides by", async () => {
    const request = await sent(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Host, Authorization, Cookie, X-Forwarded-For, Idempotency-Key, Cache-Control\r\n" +
        'Authorization: Bearer x\r\nCookie: a=1\r\nIdempotency-Key: "k"\r\nCache-Control: no-cache\r\n',
    );
    for (const name of [
      "host",
      "authorization",
      "cookie",
      "x-forwarded-for",
      "idempotency-key",
      "cache-control",
    ]) {
      expect(request.headers.has(name), name).to.equal(true);
    }
  });

  it("Via names the version the request came with, after every earlier hop", async () => {
    expect((await sent("GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 fred\r\n")).headers.get("via")).to.equal(
      "1.0 fred, 1.1 sticky-proxy",
    );
    expect((await sent("GET / HTTP/1.0\r\nHost: a\r\n")).headers.get("via")).to.equal("1.0 sticky-proxy");
  });

  it("what an untrusted peer says about the client is replaced", async () => {
    const request = await sent(
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n" +
        "X-Forwarded-Prefix: /x\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-Request-Id: mine\r\n",
    );
    expect(request.headers.get("x-forwarded-for")).to.equal("127.0.0.1");
    expect(request.headers.get("x-forwarded-proto")).to.equal("http");
    expect(request.headers.get("x-forwarded-host")).to.equal("a");
    expect(request.headers.get("forwarded")).to.equal("for=127.0.0.1;proto=http;host=a");
    expect(request.headers.has("x-real-ip")).to.equal(false);
    expect(request.headers.has("x-forwarded-prefix")).to.equal(false);
    expect(request.headers.get("x-request-id")).to.match(/^req-/);
  });

  it("a service that knows its prefix gets whole paths, and its own are left as they are", async () => {
    const match = { host: null, path: "/grafana", strip: false } as const;
    const mounted = await startGateway({ services: [service(upstream.origin, { match })] });
    try {
      upstream.respond((_, response) => response.writeHead(302, { Location: "/login" }).end());
      const answer = await RawClient.exchange(
        mounted.port,
        "GET /grafana/d/1?a=b HTTP/1.1\r\nHost: a\r\n\r\n",
      );
      expect(upstream.last.target).to.equal("/grafana/d/1?a=b");
      expect(upstream.last.headers.get("x-forwarded-prefix")).to.equal(undefined);
      expect(answer.headers.get("location")).to.equal("/login");
    } finally {
      await mounted.close();
    }
  });

  it("what a trusted peer says is continued, and the client is the right-most hop that is not trusted", async () => {
    const behind = await startGateway({
      services: [service(upstream.origin)],
      settings: { trustedProxies: ["127.0.0.0/8", "10.0.0.0/8"] },
    });
    try {
      await RawClient.exchange(
        behind.port,
        "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 9.9.9.9\r\nX-Forwarded-For: 10.1.1.1\r\n" +
          "X-Forwarded-Proto: https\r\nForwarded: for=9.9.9.9\r\nX-Request-Id: abc.DEF_1-2\r\n\r\n",
      );
      expect(upstream.last.headers.get("x-forwarded-for")).to.equal("6.6.6.6, 9.9.9.9, 10.1.1.1, 127.0.0.1");
      expect(upstream.last.headers.get("x-forwarded-proto")).to.equal("https");
      expect(upstream.last.headers.get("forwarded")).to.equal(
        "for=6.6.6.6, for=9.9.9.9;proto=https;host=a, for=10.1.1.1, for=127.0.0.1",
      );
      expect(upstream.last.headers.get("x-request-id")).to.equal("abc.DEF_1-2");
      const line = gateway.logged.concat(behind.logged).find(({ event }) => event === "request");
      expect(line?.fields["client"]).to.equal("9.9.9.9");
      for (const forged of ["<img src=x>", "a b", "x".repeat(129), "caf\xe9"]) {
        const answer = await RawClient.exchange(
          behind.port,
          `GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${forged}\r\n\r\n`,
        );
        expect(answer.headers.get("x-request-id")).to.match(/^req-/);
        expect(upstream.last.headers.get("x-request-id")).to.match(/^req-/);
      }
      const hops = Array.from({ length: 21 }, () => "10.0.0.1").join(", ");
      const many = await RawClient.exchange(
        behind.port,
        `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${hops}\r\n\r\n`,
      );
      expect(many.status).to.equal(400);
    } finally {
      await behind.close();
    }
  });

  it("underscore spellings, method overrides and rewritten URLs never reach the service", async () => {
    const request = await sent(
      "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\nIdempotency_Key: 1\r\nSticky_Force: 1\r\nTransfer_Encoding: chunked\r\n" +
        "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n" +
        "Proxy: http://evil\r\nSticky-Anything: 1\r\nx-dual-write-executed: 1\r\nmy_own: kept\r\n",
    );
    const received = [...request.headers.keys()];
    for (const name of received)
      expect(name).to.not.match(/sticky|override|url|^proxy|dual|_forwarded|_key|_encoding/);
    expect(request.headers.get("my_own")).to.equal("kept");
  });

  it("field lines keep their order, spelling and number; __proto__ is a name like any other", async () => {
    const request = await sent(
      "GET / HTTP/1.1\r\nHost: a\r\nX-LIST: 1\r\nB: 2\r\nx-list: 3\r\n__proto__: 4\r\nX-Latin: caf\xe9\r\nX-Empty:\r\n",
    );
    const flat = request.rawHeaders.join("|");
    expect(flat).to.include("X-LIST|1|B|2|x-list|3|__proto__|4|X-Latin|caf\xe9|X-Empty|");
  });

  it("a valid traceparent is kept with its tracestate; anything else begins a new trace", async () => {
    const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const kept = await sent(
      `GET / HTTP/1.1\r\nHost: a\r\ntraceparent: ${good}\r\ntracestate: a=1\r\ntracestate: b=2\r\n`,
    );
    expect(kept.headers.get("traceparent")).to.equal(good);
    expect(kept.headers.get("tracestate")).to.equal("a=1, b=2");
    for (const bad of [
      "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
      "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-extra",
      "junk",
    ]) {
      const request = await sent(`GET / HTTP/1.1\r\nHost: a\r\ntraceparent: ${bad}\r\ntracestate: a=1\r\n`);
      expect(request.headers.get("traceparent")).to.match(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      expect(request.headers.get("traceparent")).to.not.equal(bad);
      expect(request.headers.has("tracestate")).to.equal(false);
    }
    const long = await sent(
      `GET / HTTP/1.1\r\nHost: a\r\ntraceparent: ${good}\r\ntracestate: a=${"x".repeat(513)}\r\n`,
    );
    expect(long.headers.has("tracestate")).to.equal(false);
  });

  it("a request that has passed this gateway before is 508, another gateway's mark is kept", async () => {
    const loop = await RawClient.exchange(
      gateway.port,
      "GET / HTTP/1.1\r\nHost: a\r\nCDN-Loop: other, sticky-proxy-test; v=1\r\n\r\n",
    );
    expect(loop.status).to.equal(508);
    expect(upstream.requests).to.have.lengthOf(0);
    const request = await sent("GET / HTTP/1.1\r\nHost: a\r\nCDN-Loop: other\r\nConnection: CDN-Loop\r\n");
    expect(request.headers.get("cdn-loop")).to.equal("other, sticky-proxy-test");
  });

  it("a request may have passed this gateway as often as its limit says", async () => {
    const lenient = await startGateway({ services: [service(upstream.origin)], limits: { loops: 2 } });
    const passed = async (mark: string) =>
      (await RawClient.exchange(lenient.port, `GET / HTTP/1.1\r\nHost: a\r\nCDN-Loop: ${mark}\r\n\r\n`))
        .status;
    expect(await passed("sticky-proxy-test, other, Sticky-Proxy-Test; n=1")).to.equal(200);
    expect(await passed("sticky-proxy-test, sticky-proxy-test, sticky-proxy-test")).to.equal(508);
    await lenient.close();
  });

  it("OPTIONS * and an exhausted Max-Forwards are answered here, a larger one is counted down", async () => {
    for (const head of ["OPTIONS * HTTP/1.1\r\n", "OPTIONS /x HTTP/1.1\r\nMax-Forwards: 0\r\n"]) {
      const response = await RawClient.exchange(gateway.port, `${head}Host: a\r\n\r\n`);
      expect(response.status).to.equal(200);
      expect(response.headers.get("content-length")).to.equal("0");
      expect(response.headers.get("allow")).to.include("POST");
    }
    expect(upstream.requests).to.have.lengthOf(0);
    expect(
      (await sent("OPTIONS /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 7\r\n")).headers.get("max-forwards"),
    ).to.equal("6");
    expect(
      (await sent("GET /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n")).headers.get("max-forwards"),
    ).to.equal("0");
  });

  it("a body of known length goes on with that length, a chunked one chunked, none as none", async () => {
    const known = await sent("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n", "hello");
    expect(known.body.toString()).to.equal("hello");
    expect(known.headers.get("content-length")).to.equal("5");
    expect(known.headers.has("transfer-encoding")).to.equal(false);
    const chunked = await sent(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\nTrailer: X-T\r\n",
      "5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n",
    );
    expect(chunked.body.toString()).to.equal("hello!");
    expect(chunked.headers.get("transfer-encoding")).to.equal("chunked");
    expect(chunked.headers.has("content-length")).to.equal(false);
    expect(chunked.headers.has("x-t")).to.equal(false);
    expect(chunked.headers.has("trailer")).to.equal(false);
    const none = await sent("GET / HTTP/1.1\r\nHost: a\r\n");
    expect(none.headers.has("content-length")).to.equal(false);
    expect(none.headers.has("transfer-encoding")).to.equal(false);
    const empty = await sent("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n");
    expect(empty.headers.get("content-length")).to.equal("0");
  });

  it("a GET with a body keeps it on a plain route", async () => {
    const request = await sent("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n", "hi");
    expect(request.method).to.equal("GET");
    expect(request.body.toString()).to.equal("hi");
  });

  it("bodies go on with methods that rarely have one, by length and chunked", async () => {
    for (const method of ["DELETE", "OPTIONS", "PUT", "PATCH", "PROPFIND", "REPORT"]) {
      const known = await sent(`${method} /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n`, "hi");
      expect(known.method).to.equal(method);
      expect(known.body.toString()).to.equal("hi");
      const chunked = await sent(
        `${method} /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n`,
        "2\r\nhi\r\n0\r\n\r\n",
      );
      expect(chunked.body.toString()).to.equal("hi");
    }
  });

  it("an absolute target without a path is the root", async () => {
    expect((await sent("GET http://a HTTP/1.1\r\nHost: a\r\n")).target).to.equal("/");
    expect((await sent("GET HTTP://a?x=1 HTTP/1.1\r\nHost: a\r\n")).target).to.equal("/?x=1");
  });

  it("a large upload streams through to a service that reads slowly", async () => {
    const slow = await FakeUpstream.start((request, response) => response.end(String(request.body.length)));
    const large = await startGateway({
      services: [service(slow.origin)],
      settings: { plainBodyBytes: 50_000_000 },
    });
    const client = await RawClient.connect(large.port);
    const part = "x".repeat(100_000);
    client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${part.length * 100}\r\n\r\n`);
    for (let i = 0; i < 100; i += 1) client.send(part);
    expect((await client.response()).body).to.equal(String(part.length * 100));
    client.close();
    await large.close();
    await slow.close();
  });

  it("an upload to a service with a cache streams as well", async () => {
    const cached = await startGateway({
      services: [service(upstream.origin, { routes: [route({ cache: defaultCachePolicy() })] })],
    });
    const client = await RawClient.connect(cached.port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    await upstream.arrived();
    client.send("lo");
    expect((await client.response()).status).to.equal(200);
    expect(upstream.last.body.toString()).to.equal("hello");
    client.close();
    await cached.close();
  });

  it("two requests in one packet are answered in order", async () => {
    upstream.respond((request, response) => {
      if (request.target === "/first") setTimeout(() => response.end("first"), 20);
      else response.end("second");
    });
    const client = await RawClient.connect(gateway.port);
    client.send("GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await client.response()).body).to.equal("first");
    expect((await client.response()).body).to.equal("second");
    client.close();
  });

  it("an empty line before the request line is skipped", async () => {
    await sent("\r\nGET / HTTP/1.1\r\nHost: a\r\n");
  });

  it("a body over the limit is 413 before a byte of it is asked for, and the connection closes", async () => {
    const client = await RawClient.connect(gateway.port);
    client.send("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n");
    const response = await client.response();
    expect(response.status).to.equal(413);
    expect(response.headers.get("connection")).to.equal("close");
    await client.closed();
    expect(upstream.requests).to.have.lengthOf(0);
  });

  it("a chunked body that grows over the limit is 413, and the connection closes", async () => {
    const client = await RawClient.connect(gateway.port);
    client.send("POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world\r\n");
    const response = await client.response();
    expect(response.status).to.equal(413);
    expect(response.headers.get("connection")).to.equal("close");
    await client.closed();
    expect(upstream.requests.filter(({ ended }) => ended)).to.have.lengthOf(0);
  });

  it("an answer to a large upload that is not wanted reaches a client that goes on sending", async () => {
    const client = await RawClient.connect(gateway.port);
    const part = "x".repeat(65_536);
    client.send(`POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: ${part.length * 8}\r\n\r\n`);
    for (let i = 0; i < 8; i += 1) client.send(part);
    expect((await client.response()).status).to.equal(413);
    await client.closed();
  });

  it("100 comes when the body is wanted, and Expect stays behind", async () => {
    const client = await RawClient.connect(gateway.port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\n");
    expect((await client.response()).status).to.equal(100);
    client.send("hello");
    expect((await client.response()).status).to.equal(200);
    expect(upstream.last.body.toString()).to.equal("hello");
    expect(upstream.last.headers.has("expect")).to.equal(false);
    client.close();
  });

  it("a refused request with Expect gets its final status without 100", async () => {
    const client = await RawClient.connect(gateway.port);
    client.send("POST /a/../b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    const response = await client.response();
    expect(response.status).to.equal(400);
    expect(response.headers.get("connection")).to.equal("close");
    client.close();
  });

  it("a client that expects 100 and does not wait works", async () => {
    const client = await RawClient.connect(gateway.port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    expect((await client.response()).status).to.equal(100);
    expect((await client.response()).status).to.equal(200);
    client.close();
  });

  it("an HTTP/1.0 client never gets an interim response, whatever it expects", async () => {
    upstream.respond((_request, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" });
      response.end("ok");
    });
    const client = await RawClient.connect(gateway.port);
    client.send("POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello");
    const response = await client.response();
    expect(response.status).to.equal(200);
    expect(response.headers.has("transfer-encoding")).to.equal(false);
    expect(response.headers.get("connection")).to.equal("close");
    expect(response.body).to.equal("ok");
  });

  it("HTTP/1.0 without Host is served, and its connection is never kept", async () => {
    upstream.respond((_request, response) => {
      response.setHeader("Content-Length", 2);
      response.end("ok");
    });
    const client = await RawClient.connect(gateway.port);
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const response = await client.response();
    expect(response.body).to.equal("ok");
    expect(response.headers.get("connection")).to.equal("close");
    await client.closed();
  });

  it("an expectation without a body gets no 100", async () => {
    const response = await RawClient.exchange(
      gateway.port,
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n",
    );
    expect(response.status).to.equal(200);
  });

  it("nothing after a request that closes the connection is read", async () => {
    upstream.respond((_request, response) => void setTimeout(() => response.end("ok"), 20));
    const client = await RawClient.connect(gateway.port);
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    const response = await client.response();
    expect(response.status).to.equal(200);
    expect(response.headers.get("connection")).to.equal("close");
    expect(await client.rest()).to.equal("");
    expect(upstream.requests).to.have.lengthOf(1);
  });

  it("a broken second request is answered after the first, and the connection closes", async () => {
    upstream.respond((_request, response) => void setTimeout(() => response.end("ok"), 20));
    const client = await RawClient.connect(gateway.port);
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost : a\r\n\r\n");
    const first = await client.response();
    expect(first.status).to.equal(200);
    expect(first.body).to.equal("ok");
    expect((await client.response()).status).to.equal(400);
    await client.closed();
    expect(upstream.requests).to.have.lengthOf(1);
  });

  for (const [what, second, status] of [
    ["a CONNECT", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 405],
    ["a broken chunk", "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n", 400],
  ] as const) {
    it(`${what} behind another request is answered after it`, async () => {
      upstream.respond((request, response) => {
        if (request.target === "/1") setTimeout(() => response.end("first"), 50);
      });
      const client = await RawClient.connect(gateway.port);
      client.send(`GET /1 HTTP/1.1\r\nHost: a\r\n\r\n${second}`);
      const first = await client.response();
      expect(first.status).to.equal(200);
      expect(first.body).to.equal("first");
      expect((await client.response()).status).to.equal(status);
      await client.closed();
    });
  }

  it("100 for a request behind another one comes between the two responses", async () => {
    upstream.respond((request, response) => {
      if (request.target === "/1") setTimeout(() => response.end("first"), 50);
      else response.end("second");
    });
    const client = await RawClient.connect(gateway.port);
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.send("POST /2 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    expect((await client.response()).body).to.equal("first");
    expect((await client.response()).status).to.equal(100);
    client.send("abc");
    expect((await client.response()).body).to.equal("second");
    client.close();
  });

  it("a client that expects 100 and does not wait gets whole responses behind another request", async () => {
    upstream.respond((request, response) => {
      if (request.target === "/1") setTimeout(() => response.end("first"), 50);
      else response.end("second");
    });
    const client = await RawClient.connect(gateway.port);
    client.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n" +
        "POST /2 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    );
    expect((await client.response()).body).to.equal("first");
    expect((await client.response()).status).to.equal(100);
    expect((await client.response()).body).to.equal("second");
    client.close();
  });

  it("Connection: close of the client is answered and obeyed", async () => {
    const client = await RawClient.connect(gateway.port);
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect((await client.response()).headers.get("connection")).to.equal("close");
    await client.closed();
  });

  it("slow heads are 408", async () => {
    const hurried = await startGateway({
      services: [service(upstream.origin)],
      limits: { headersTimeoutMs: 100 },
    });
    const client = await RawClient.connect(hurried.port);
    client.send("GET / HTTP/1.1\r\nHost:");
    const response = await client.response();
    expect(response.status).to.equal(408);
    expect(response.headers.get("connection")).to.equal("close");
    await client.closed();
    await hurried.close();
  });

  it("slow bodies are 408", async () => {
    const hurried = await startGateway({
      services: [service(upstream.origin)],
      limits: { headersTimeoutMs: 100, bodyTimeoutMs: 150 },
    });
    const client = await RawClient.connect(hurried.port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    expect((await client.response()).status).to.equal(408);
    await client.closed();
    expect(upstream.requests.filter(({ ended }) => ended)).to.have.lengthOf(0);
    await hurried.close();
  });

  it("a client that leaves cancels its plain safe call", async () => {
    upstream.respond(() => undefined);
    const client = await RawClient.connect(gateway.port);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await upstream.arrived();
    client.close();
    while (!upstream.last.aborted) await new Promise((resolve) => setImmediate(resolve));
  });

  it("a client that leaves in the middle of its upload leaves no complete request behind", async () => {
    const client = await RawClient.connect(gateway.port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    await upstream.arrived();
    client.close();
    while (!upstream.last.aborted) await new Promise((resolve) => setImmediate(resolve));
    expect(upstream.last.ended).to.equal(false);
  });

  it("a client that breaks off in an upload behind another request does not end the process", async () => {
    upstream.respond(() => undefined);
    const client = await RawClient.connect(gateway.port);
    client.send(
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\nhe",
    );
    await upstream.arrived(2);
    client.socket.resetAndDestroy();
    while (gateway.server.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it("clients that break off at any moment leave nothing behind", async () => {
    const requests = [
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\nhe",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
      "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\nhe",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nheGET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    upstream.respond((_request, response) => {
      response.write("x");
      setImmediate(() => response.end("y"));
    });
    await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        const client = await RawClient.connect(gateway.port);
        client.send(requests[i % requests.length]!);
        for (let turns = 0; turns < i % 9; turns += 1) await new Promise((resolve) => setImmediate(resolve));
        if (i % 2 === 0) client.socket.resetAndDestroy();
        else client.close();
      }),
    );
    while (gateway.server.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await RawClient.exchange(gateway.port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")).body).to.equal("xy");
    expect(
      gateway.logged.filter(({ event }) => event === "request.failed" || event === "request.unhandled"),
    ).to.deep.equal([]);
  });
});
