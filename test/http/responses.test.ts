/** What becomes of a service's response on its way to the client (RFC 9110 6, 7, 15; RFC 9112 6, 8, 9). */
import { FakeUpstream, RawClient, RawUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { route, service, startGateway } from "./gateway.ts";
import { get, startAnswering } from "./answering.ts";

describe("a response on its way to the client", () => {
  const { open, before, answerTo } = startAnswering();

  it("lines keep order, spelling and number; Set-Cookie is never joined", async () => {
    const response = await answerTo(
      "HTTP/1.1 200 Fine\r\nX-B: 1\r\nSet-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\nx-b: 2\r\nSET-COOKIE: b=2\r\nX-Latin: caf\xe9\r\nContent-Length: 2\r\n\r\nok",
    );
    expect(response.status).to.equal(200);
    expect(response.body).to.equal("ok");
    expect(response.rawHeaders.slice(0, 5)).to.deep.equal([
      ["X-B", "1"],
      ["Set-Cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"],
      ["x-b", "2"],
      ["SET-COOKIE", "b=2"],
      ["X-Latin", "caf\xe9"],
    ]);
  });

  it("octets above 0x7f stay single when the head goes out before the body", async () => {
    const upstream = await RawUpstream.start(({ socket }) =>
      socket.write("HTTP/1.1 200 OK\r\nX-Latin: caf\xe9\r\nContent-Length: 2\r\n\r\n", "latin1"),
    );
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.socket.once("data", () => upstream.connections[0]?.socket.write("ok"));
    client.send(get);
    expect((await client.response()).headers.get("x-latin")).to.equal("caf\xe9");
  });

  it("connection fields, fields that Connection names, and our own names are removed", async () => {
    const response = await answerTo(
      "HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: x\r\nUpgrade: h2\r\n" +
        "Proxy-Authenticate: Basic\r\nProxy-Authentication-Info: x\r\nTrailer: X-T\r\nTE: x\r\nSticky-Process-Id: 1\r\nSticky-Execution: t\r\n" +
        "Idempotent-Replayed: true\r\nContent-Length: 0\r\n\r\n",
    );
    for (const name of [
      "x-hop",
      "proxy-connection",
      "upgrade",
      "proxy-authenticate",
      "proxy-authentication-info",
      "trailer",
      "te",
      "sticky-process-id",
      "sticky-execution",
    ]) {
      expect(response.headers.has(name), name).to.equal(false);
    }
    // A service that keeps keys itself says so, and its client may rely on it.
    expect(response.headers.get("idempotent-replayed")).to.equal("true");
    expect(response.headers.get("connection")).to.equal("keep-alive");
    expect(response.headers.get("keep-alive")).to.equal("timeout=65");
    expect(response.headers.get("sticky-source")).to.equal("service");
    expect(response.headers.get("x-request-id")).to.match(/^req-/);
  });

  it("Via is added after earlier hops, Date only when the service sent none", async () => {
    const dated = await answerTo(
      "HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nVia: 1.0 fred\r\nContent-Length: 0\r\n\r\n",
    );
    expect(dated.headers.get("date")).to.equal("Tue, 15 Nov 1994 08:12:31 GMT");
    expect(dated.headers.get("via")).to.equal("1.0 fred, 1.1 sticky-proxy");
    const undated = await answerTo("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    expect(Number.isNaN(Date.parse(undated.headers.get("date") ?? ""))).to.equal(false);
  });

  it("a response that ends with its connection goes on chunked", async () => {
    const response = await answerTo("HTTP/1.1 200 OK\r\n\r\nuntil the end");
    expect(response.headers.get("transfer-encoding")).to.equal("chunked");
    expect(response.body).to.equal("until the end");
  });

  it("an HTTP/1.0 response is answered as HTTP/1.1", async () => {
    const response = await answerTo("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
    expect(response.version).to.equal("HTTP/1.1");
    expect(response.headers.get("via")).to.equal("1.0 sticky-proxy");
    expect(response.body).to.equal("ok");
  });

  it("chunks are decoded and framed anew, extensions are dropped", async () => {
    const response = await answerTo(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    expect(response.body).to.equal("abcde");
    expect(response.headers.has("content-length")).to.equal(false);
  });

  it("a client of HTTP/1.0 gets no chunks, its body ends with the connection", async () => {
    const response = await answerTo(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    );
    expect(response.headers.has("transfer-encoding")).to.equal(false);
    expect(response.body).to.equal("abc");
  });

  it("trailers on the allow-list reach a client that asked for them, others and other clients get none", async () => {
    const bytes =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nServer-Timing: db;dur=5\r\nX-Auth: 1\r\nSet-Cookie: a=1\r\n\r\n";
    const asked = await answerTo(
      bytes,
      "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\n\r\n",
    );
    expect([...asked.trailers]).to.deep.equal([["server-timing", "db;dur=5"]]);
    expect(asked.headers.has("x-auth")).to.equal(false);
    const silent = await answerTo(bytes);
    expect([...silent.trailers]).to.deep.equal([]);
    expect(silent.headers.has("server-timing")).to.equal(false);
  });

  it("HEAD keeps the length of the body it does not have", async () => {
    const response = await answerTo(
      "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
      "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    expect(response.headers.get("content-length")).to.equal("1234");
    expect(response.headers.has("transfer-encoding")).to.equal(false);
  });

  it("a connection carries another request after HEAD, 204 and 304", async () => {
    const upstream = await FakeUpstream.start((request, response) => {
      const status = Number(request.target.slice(1));
      response.writeHead(status, status === 304 ? { ETag: '"1"', "Content-Length": "99" } : {});
      response.end();
    });
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.send("HEAD /200 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await client.response({ head: true })).status).to.equal(200);
    client.send("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n");
    const noContent = await client.response();
    expect(noContent.status).to.equal(204);
    expect(noContent.headers.has("content-length")).to.equal(false);
    expect(noContent.headers.has("transfer-encoding")).to.equal(false);
    client.send("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n");
    const notModified = await client.response();
    expect(notModified.status).to.equal(304);
    expect(notModified.headers.get("content-length")).to.equal("99");
    expect(notModified.headers.has("transfer-encoding")).to.equal(false);
    client.send("GET /200 HTTP/1.1\r\nHost: a\r\n\r\n");
    expect((await client.response()).status).to.equal(200);
    client.close();
  });

  it("204 loses a Content-Length, 205 has no content", async () => {
    expect(
      (await answerTo("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n")).headers.has("content-length"),
    ).to.equal(false);
    const reset = await answerTo("HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello");
    expect(reset.status).to.equal(205);
    expect(reset.headers.get("content-length")).to.equal("0");
    expect(reset.body).to.equal("");
  });

  it("what a service sends as the content of a 205 never becomes a response of its own", async () => {
    const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
    for (const framed of [
      `Content-Length: ${evil.length}\r\n\r\n${evil}`,
      `Transfer-Encoding: chunked\r\n\r\n${evil.length.toString(16)}\r\n${evil}\r\n0\r\n\r\n`,
    ]) {
      const upstream = await RawUpstream.start(`HTTP/1.1 205 Reset Content\r\n${framed}`);
      open.push(upstream);
      const gateway = await before(upstream.origin);
      const client = await RawClient.connect(gateway.port);
      client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      expect((await client.response()).status).to.equal(205);
      expect(await client.rest()).to.equal("");
    }
  });

  it("206 with its Content-Range passes through", async () => {
    const response = await answerTo(
      "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nab",
    );
    expect(response.status).to.equal(206);
    expect(response.headers.get("content-range")).to.equal("bytes 0-1/9");
  });

  it("the blanks around Content-Length may be tabs (RFC 9110 5.6.3)", async () => {
    for (const line of ["Content-Length:\t2\t", "content-length: \t 2 \t", "CONTENT-LENGTH:2\t"]) {
      const { status, body } = await answerTo(`HTTP/1.1 200 OK\r\n${line}\r\nX: 1\r\n\r\nok`);
      expect(status, line).to.equal(200);
      expect(body.toString(), line).to.equal("ok");
    }
  });

  it("white space between a field name and its colon is removed", async () => {
    const response = await answerTo(
      "HTTP/1.1 200 OK\r\nX-A : 1\r\nX-B: a : b\r\nContent-Length\t: 2\r\n\r\nok",
    );
    expect(response.status).to.equal(200);
    expect(response.headers.get("x-a")).to.equal("1");
    expect(response.headers.get("x-b")).to.equal("a : b");
    expect(response.body).to.equal("ok");
  });

  it("a redirect is passed on and never followed", async () => {
    const response = await answerTo(
      "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
    );
    expect(response.status).to.equal(302);
    expect(response.headers.get("location")).to.equal("http://169.254.169.254/");
  });

  it("a compressed body passes as it is", async () => {
    const response = await answerTo(
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x00\xff",
    );
    expect(response.body).to.equal("\x1f\x8b\x00\xff");
    expect(response.headers.get("content-encoding")).to.equal("gzip");
  });

  it("an unknown status code passes", async () => {
    expect((await answerTo("HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n")).status).to.equal(299);
  });

  it("102, 103 and unknown interim responses are passed on in order, 100 is not", async () => {
    const upstream = await RawUpstream.start(
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n" +
        "HTTP/1.1 100 Continue\r\nX-Y: z\r\n\r\nHTTP/1.1 150 Odd\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    expect((await client.response()).status).to.equal(102);
    const hints = await client.response();
    expect(hints.status).to.equal(103);
    expect(hints.headers.get("link")).to.equal("</a.css>; rel=preload");
    expect(hints.headers.has("x-hop")).to.equal(false);
    expect((await client.response()).status).to.equal(150);
    const final = await client.response();
    expect(final.status).to.equal(200);
    expect(final.body).to.equal("ok");
    client.close();
  });

  it("an interim response carries our Via, and nothing of the connection or in the gateway's name", async () => {
    const upstream = await RawUpstream.start(
      "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nIdempotent-Replayed: true\r\nSticky-Process-Id: 1\r\nProxy-Authenticate: Basic\r\nX-Request-Id: theirs\r\n\r\n" +
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    const hints = await client.response();
    expect(hints.status).to.equal(103);
    expect(hints.rawHeaders).to.deep.equal([
      ["Link", "</a.css>; rel=preload"],
      ["Via", "1.1 sticky-proxy"],
    ]);
    client.close();
  });

  it("an unasked 100 that comes in pieces is skipped", async () => {
    const upstream = await RawUpstream.start(({ socket }) => {
      const bytes = "HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
      socket.setNoDelay(true);
      let at = 0;
      const next = (): void => {
        if (at >= bytes.length) return;
        socket.write(bytes.slice(at, at + 5));
        at += 5;
        setImmediate(next);
      };
      next();
    });
    open.push(upstream);
    const gateway = await before(upstream.origin);
    for (let i = 0; i < 2; i += 1) {
      const response = await RawClient.exchange(gateway.port, get);
      expect(response.status).to.equal(200);
      expect(response.body).to.equal("ok");
    }
  });

  it("a large body arrives whole through a client that reads slowly", async () => {
    const body = Buffer.alloc(5_000_000, "0123456789");
    const upstream = await FakeUpstream.start((_request, response) => response.end(body));
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.socket.pause();
    client.send(get);
    await upstream.arrived();
    setTimeout(() => client.socket.resume(), 30);
    const response = await client.response();
    expect(response.body.length).to.equal(body.length);
    expect(response.body === body.toString("latin1")).to.equal(true);
    client.close();
  });

  it("a client that stops reading is cut off, and the service's connection is freed", async () => {
    const upstream = await FakeUpstream.start((_request, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536)));
        response.once("drain", more);
      };
      more();
    });
    open.push(upstream);
    const gateway = await startGateway({ services: [service(upstream.origin)], limits: { writeIdleMs: 50 } });
    open.push(gateway);
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    await upstream.arrived();
    client.socket.pause();
    while (!upstream.last.aborted) await new Promise((resolve) => setImmediate(resolve));
    client.close();
  });

  it("a route sets header lines both ways", async () => {
    const upstream = await FakeUpstream.start((_request, response) => {
      response.setHeader("Server", "secret/1.0");
      response.end("ok");
    });
    open.push(upstream);
    const gateway = await before(upstream.origin, {
      routes: [
        route({
          headers: { request: new Map([["x-tier", "gold"]]), response: new Map([["server", "sticky"]]) },
        }),
      ],
    });
    const response = await RawClient.exchange(
      gateway.port,
      "GET / HTTP/1.1\r\nHost: a\r\nX-Tier: none\r\n\r\n",
    );
    expect(upstream.last.headers.get("x-tier")).to.equal("gold");
    expect(response.headers.get("server")).to.equal("sticky");
  });

  it("a draining gateway answers and closes every connection", async () => {
    const upstream = await FakeUpstream.start();
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    expect((await client.response()).headers.get("connection")).to.equal("keep-alive");
    gateway.server.drain();
    client.send(get);
    const response = await client.response();
    expect(response.status).to.equal(200);
    expect(response.headers.get("connection")).to.equal("close");
    await client.closed();
  });

  it("close waits for running requests", async () => {
    let finish = (): void => undefined;
    const upstream = await FakeUpstream.start((_request, response) => {
      finish = () => response.end("late");
    });
    open.push(upstream);
    const gateway = await startGateway({ services: [service(upstream.origin)] });
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    await upstream.arrived();
    const closed = gateway.server.close(5_000);
    finish();
    expect((await client.response()).body).to.equal("late");
    await closed;
    await gateway.close();
  });
});
