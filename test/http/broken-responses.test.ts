/** What becomes of a response that is broken, late or missing (RFC 9112 6.3, 8; RFC 9110 15.6). */
import { RawClient, RawUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { get, startAnswering } from "./answering.ts";

describe("a response that is broken, late or missing", () => {
  const { open, before, answerTo, slugOf } = startAnswering();

  it("interim responses without an end are 502, and the service's connection is closed", async () => {
    const upstream = await RawUpstream.start(({ socket }) => {
      const more = (): void => {
        if (socket.destroyed) return;
        socket.write("HTTP/1.1 102 Processing\r\n\r\n");
        setImmediate(more);
      };
      more();
    });
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    let response = await client.response();
    while (response.status === 102) response = await client.response();
    expect(response.status).to.equal(502);
    expect(slugOf(response)).to.equal("upstream-invalid-response");
    while (!upstream.connections[0]!.socket.destroyed) await new Promise((resolve) => setImmediate(resolve));
    client.close();
  });

  const invalid: readonly [what: string, bytes: string, error: string][] = [
    [
      "two Content-Lengths",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
      "http_protocol_error",
    ],
    [
      "Content-Length and Transfer-Encoding",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "http_protocol_error",
    ],
    [
      "a Content-Length that is no number",
      "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\nok",
      "http_protocol_error",
    ],
    [
      "a coding before chunked",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "http_response_transfer_coding",
    ],
    [
      "Transfer-Encoding in HTTP/1.0",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "http_response_transfer_coding",
    ],
    ["a status below 100", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n", "http_protocol_error"],
    ["HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "http_protocol_error"],
    ["a status above 599", "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "http_protocol_error"],
    ["a status of two digits", "HTTP/1.1 20 Odd\r\nContent-Length: 0\r\n\r\n", "http_protocol_error"],
    [
      "a status line that ends in two CRs",
      "HTTP/1.1 200 OK\r\r\nContent-Length: 2\r\n\r\nok",
      "http_protocol_error",
    ],
    ["two CRs behind a status alone", "HTTP/1.1 204\r\r\n\r\n", "http_protocol_error"],
    ["a bare line feed", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "http_protocol_error"],
    ["a folded line", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n", "http_protocol_error"],
    ["NUL in a value", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n", "http_protocol_error"],
    [
      "a control character in a value",
      "HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 0\r\n\r\n",
      "http_protocol_error",
    ],
    ["something that is not HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "http_protocol_error"],
    [
      "an unasked 101",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
      "connection_terminated",
    ],
    ["nothing at all", "", "connection_terminated"],
    ["half a head", "HTTP/1.1 200 OK\r\nContent-Le", "connection_terminated"],
    [
      "a header section of 20 KB",
      `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}\r\nContent-Length: 0\r\n\r\n`,
      "http_response_header_section_size",
    ],
    [
      "300 header lines",
      `HTTP/1.1 200 OK\r\n${"X: 1\r\n".repeat(300)}Content-Length: 0\r\n\r\n`,
      "http_response_header_section_size",
    ],
  ];

  for (const [what, bytes, error] of invalid) {
    it(`${what} is 502, executed unknown`, async () => {
      // The service closes without a word where the bytes are empty, after them otherwise.
      const response = await answerTo(bytes, "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
      expect(response.status).to.equal(502);
      const problem = JSON.parse(response.body) as { type: string; executed: string; service: string };
      expect(problem.type).to.equal("/_sticky/problems/upstream-invalid-response");
      expect(problem.executed).to.equal("unknown");
      expect(problem.service).to.equal("up");
      expect(response.headers.get("proxy-status")).to.equal(`sticky-proxy; error=${error}`);
      expect(response.headers.get("cache-control")).to.equal("no-store");
    });
  }

  it("a body shorter than its length takes the client's connection with it", async () => {
    const upstream = await RawUpstream.start("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive.");
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    const text = await client.rest();
    expect(text).to.match(/five\.$/);
  });

  it("a chunked body that is cut off never gets a last chunk", async () => {
    for (const tail of ["", "5\r\nab", "zz\r\n"]) {
      const upstream = await RawUpstream.start(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n${tail}`,
      );
      open.push(upstream);
      const gateway = await before(upstream.origin);
      const client = await RawClient.connect(gateway.port);
      client.send(get);
      const text = await client.rest();
      expect(text).to.not.match(/\r\n0\r\n/);
    }
  });

  it("a body that only the close delimits is cut off when the close is a reset", async () => {
    const upstream = await RawUpstream.start(({ socket }) => socket.write("HTTP/1.1 200 OK\r\n\r\nhalf"));
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.socket.on("data", (chunk: Buffer) => {
      if (chunk.includes("half")) upstream.connections[0]?.socket.resetAndDestroy();
    });
    client.send(get);
    const text = await client.rest();
    expect(text)
      .to.include("half")
      .and.not.match(/\r\n0\r\n/);
  });

  it("bytes beyond Content-Length are dropped with the connection they came on", async () => {
    const upstream = await RawUpstream.start(({ socket }) => {
      socket.write(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
      );
    });
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    for (let i = 0; i < 3; i += 1) {
      client.send(get);
      expect((await client.response()).body).to.equal("ok");
    }
    expect(upstream.connections.length).to.be.greaterThan(1);
    client.close();
  });

  it("a service that cannot be reached is 502, executed no", async () => {
    const upstream = await RawUpstream.start("");
    const { origin } = upstream;
    await upstream.close();
    const gateway = await before(origin);
    const response = await RawClient.exchange(gateway.port, get);
    expect(response.status).to.equal(502);
    expect(slugOf(response)).to.equal("upstream-unreachable");
    expect((JSON.parse(response.body) as { executed: string }).executed).to.equal("no");
    expect(response.headers.get("proxy-status")).to.equal("sticky-proxy; error=connection_refused");
    expect(response.body).to.not.include("127.0.0.1");
  });

  it("a name that does not resolve is 502 with dns_error", async () => {
    const gateway = await before("http://nowhere.invalid:80");
    const response = await RawClient.exchange(gateway.port, get);
    expect(response.status).to.equal(502);
    expect(response.headers.get("proxy-status")).to.equal("sticky-proxy; error=dns_error");
  });

  it("a service that does not answer in time is 504, executed unknown", async () => {
    const upstream = await RawUpstream.start(() => undefined);
    open.push(upstream);
    const gateway = await before(upstream.origin, {
      timeouts: { connectMs: 500, firstByteMs: 50, idleMs: 50 },
    });
    const response = await RawClient.exchange(gateway.port, get);
    expect(response.status).to.equal(504);
    expect(slugOf(response)).to.equal("upstream-timeout");
    expect((JSON.parse(response.body) as { executed: string }).executed).to.equal("unknown");
    expect(response.headers.get("proxy-status")).to.equal("sticky-proxy; error=http_response_timeout");
  });

  it("a body that stops is reset", async () => {
    const upstream = await RawUpstream.start(
      ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
    );
    open.push(upstream);
    const gateway = await before(upstream.origin, {
      timeouts: { connectMs: 500, firstByteMs: 500, idleMs: 50 },
    });
    const client = await RawClient.connect(gateway.port);
    client.send(get);
    expect(await client.rest()).to.match(/abc$/);
  });

  it("an answer that comes before the upload has ended reaches the client", async () => {
    const upstream = await RawUpstream.start(
      ({ socket }) =>
        void socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"),
    );
    open.push(upstream);
    const gateway = await before(upstream.origin);
    const client = await RawClient.connect(gateway.port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc");
    const response = await client.response();
    expect(response.status).to.equal(403);
    expect(response.body).to.equal("no");
    client.close();
  });
});
