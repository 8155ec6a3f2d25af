/** Requests that Node's parser refuses or lets through, and the answer that each must get (RFC 9110, RFC 9112). */
import { FakeUpstream, RawClient, type RawResponse } from "@sticky-proxy/testkit";
import { expect } from "chai";

import { service, startGateway, type Gateway } from "./gateway.ts";

interface BadRequest {
  readonly what: string;
  readonly bytes: string;
  readonly status: number | readonly number[];
  readonly slug?: string;
  readonly closes?: boolean;
}

const longTarget = `/${"a".repeat(8_192)}`;
const longValue = "v".repeat(17_000);
const manyHeaders = Array.from({ length: 2_500 }, (_, i) => `h${i}: 1\r\n`).join("");
const linesOver = Array.from({ length: 128 }, (_, i) => `h${i}: 1\r\n`).join("");

const refused: readonly BadRequest[] = [
  {
    what: "two Host lines",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "Host with a path and userinfo",
    bytes: "GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "Host with userinfo",
    bytes: "GET / HTTP/1.1\r\nHost: evil.com:fake@legit.com\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "Host with two names",
    bytes: "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "Host with a port above 65535",
    bytes: "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "an empty Host",
    bytes: "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "no Host on HTTP/1.1",
    bytes: "GET / HTTP/1.1\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "an invalid Host beside an absolute target",
    bytes: "GET http://a/ HTTP/1.1\r\nHost: x y\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a target with another scheme",
    bytes: "GET ws://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    status: 400,
    slug: "malformed-request",
  },
  {
    what: "userinfo in an absolute target",
    bytes: "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    status: 400,
    slug: "malformed-request",
  },
  {
    what: "* with another method than OPTIONS",
    bytes: "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    status: 400,
    slug: "malformed-request",
  },
  {
    what: "an authority as target of GET",
    bytes: "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    status: 400,
    slug: "malformed-request",
  },
  {
    what: "HTTP/2.0 in the request line",
    bytes: "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    status: 505,
    slug: "version-not-supported",
    closes: true,
  },
  {
    what: "HTTP/3.7 in the request line",
    bytes: "GET / HTTP/3.7\r\nHost: a\r\n\r\n",
    status: 505,
    slug: "version-not-supported",
    closes: true,
  },
  { what: "HTTP/0.9", bytes: "GET /\r\n\r\n", status: 400, slug: "malformed-request", closes: true },
  { what: "the HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: [400, 505], closes: true },
  {
    what: "a TLS hello",
    bytes: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    status: [400, 505],
    closes: true,
  },
  {
    what: "Transfer-Encoding in HTTP/1.0",
    bytes: "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a coding before chunked",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    status: 501,
    slug: "not-implemented",
    closes: true,
  },
  ...["xchunked", "gzip", "identity", "chunked;q=1", "chunked, identity", "chunked, gzip", '"chunked"'].map(
    (coding) => ({
      what: `the coding ${coding}, which does not end with chunked,`,
      bytes: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${coding}\r\n\r\n0\r\n\r\n`,
      status: 400,
      slug: "malformed-request",
      closes: true,
    }),
  ),
  {
    what: "two Transfer-Encoding lines",
    bytes:
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    status: [400, 501],
    closes: true,
  },
  {
    what: "Content-Length beside Transfer-Encoding",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "two different Content-Lengths",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a list as Content-Length",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabc",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a signed Content-Length",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a negative Content-Length",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a hexadecimal Content-Length",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a Content-Length beyond all integers",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\nabc",
    status: [400, 413],
    closes: true,
  },
  {
    what: "a bare line feed as line end",
    bytes: "GET / HTTP/1.1\nHost: a\n\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a folded header line",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a space before the colon",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "white space before the first header line",
    bytes: "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "NUL in a value",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a bare carriage return in a value",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a header line without a colon",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "an empty field name",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  {
    what: "a broken chunk size",
    bytes: "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    status: 400,
    slug: "malformed-request",
    closes: true,
  },
  { what: "a space in the target", bytes: "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", status: 400, closes: true },
  {
    what: "a header section of 17 KB",
    bytes: `GET / HTTP/1.1\r\nHost: a\r\nX: ${longValue}\r\n\r\n`,
    status: 431,
    slug: "headers-too-large",
    closes: true,
  },
  {
    what: "2 500 header lines",
    bytes: `GET / HTTP/1.1\r\nHost: a\r\n${manyHeaders}\r\n`,
    status: 431,
    slug: "headers-too-large",
    closes: true,
  },
  {
    what: "129 header lines",
    bytes: `GET / HTTP/1.1\r\nHost: a\r\n${linesOver}\r\n`,
    status: 431,
    slug: "headers-too-large",
    closes: true,
  },
  {
    what: "a target above 8 KiB",
    bytes: `GET ${longTarget} HTTP/1.1\r\nHost: a\r\n\r\n`,
    status: 414,
    slug: "uri-too-long",
    closes: true,
  },
  {
    what: "a target of 30 KB",
    bytes: `GET /${"a".repeat(30_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    status: 414,
    slug: "uri-too-long",
    closes: true,
  },
  {
    what: "a target of 200 KB",
    bytes: `GET /${"a".repeat(200_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    status: 414,
    slug: "uri-too-long",
    closes: true,
  },
  {
    what: "a header section of 200 KB",
    bytes: `GET / HTTP/1.1\r\nHost: a\r\nX: ${"v".repeat(200_000)}\r\n\r\n`,
    status: 431,
    slug: "headers-too-large",
    closes: true,
  },
  {
    what: "CONNECT",
    bytes: "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    status: 405,
    slug: "method-not-allowed",
    closes: true,
  },
  { what: "TRACE", bytes: "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", status: 405, slug: "method-not-allowed" },
  {
    what: "an unknown method",
    bytes: "FOO / HTTP/1.1\r\nHost: a\r\n\r\n",
    status: 501,
    slug: "not-implemented",
    closes: true,
  },
  {
    what: "RTSP",
    bytes: "DESCRIBE / RTSP/1.1\r\nHost: a\r\n\r\n",
    status: 501,
    slug: "not-implemented",
    closes: true,
  },
  {
    what: "Icecast",
    bytes: "SOURCE / ICE/1.1\r\nHost: a\r\n\r\n",
    status: 501,
    slug: "not-implemented",
    closes: true,
  },
  {
    what: "a method in lower case",
    bytes: "get / HTTP/1.1\r\nHost: a\r\n\r\n",
    status: [400, 501],
    closes: true,
  },
  {
    what: "an unknown expectation",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nExpect: 42-later\r\n\r\n",
    status: 417,
    slug: "expectation-failed",
  },
  {
    what: "an unknown expectation beside a known one",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, 42-later\r\n\r\n",
    status: 417,
    slug: "expectation-failed",
  },
  {
    what: "two Content-Type lines",
    bytes:
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 0\r\n\r\n",
    status: 400,
    slug: "malformed-request",
  },
  {
    what: "two Authorization lines",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
    status: 400,
    slug: "malformed-request",
  },
  {
    what: "two Idempotency-Key lines",
    bytes: "GET / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n",
    status: 400,
    slug: "idempotency-key-invalid",
  },
  ...[
    "//evil.com/a",
    "/a//b",
    "/\\evil.com",
    "/a/../../admin",
    "/a/..",
    "/./../a",
    "/a%2f..",
    "/%2e%2e/a",
    "/a/%2E%2e",
    "/a%2fb",
    "/a%2F..%2fb",
    "/a%5cb",
    "/%zz",
    "/%",
    "/%a",
    "/a%00b",
    "/%c0%af",
    "/a#b",
    "/a?b#c",
    '/a"b',
    "/a<b>",
    "/a`b",
  ].map((target) => ({
    what: `the target ${target}`,
    bytes: `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`,
    status: 400,
    slug: "path-invalid",
  })),
];

describe("a request that is not valid HTTP or not safe to pass on", () => {
  let upstream: FakeUpstream;
  let gateway: Gateway;

  before(async () => {
    upstream = await FakeUpstream.start();
    gateway = await startGateway({ services: [service(upstream.origin)] });
  });

  after(async () => {
    await gateway.close();
    await upstream.close();
  });

  const port = (): number => gateway.port;
  const forwarded = (): number => upstream.requests.length;

  for (const { what, bytes, status, slug, closes } of refused) {
    it(`${what} is answered with ${[status].flat().join(" or ")} and never forwarded`, async () => {
      const client = await RawClient.connect(port());
      try {
        client.send(bytes);
        const response = await client.response();
        expect([status].flat()).to.include(response.status);
        expectProblem(response, slug);
        if (closes === true) {
          expect(response.headers.get("connection")).to.equal("close");
          await client.closed();
        }
        expect(forwarded()).to.equal(0);
      } finally {
        client.close();
      }
    });
  }

  it("405 names the methods that are allowed", async () => {
    const response = await RawClient.exchange(gateway.port, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(response.headers.get("allow")).to.include("GET");
  });

  it("a second request on the connection of a framing error is never read", async () => {
    const client = await RawClient.connect(gateway.port);
    client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" +
        "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    const answer = await client.rest();
    expect(answer.match(/HTTP\/1\.1 /g)).to.have.lengthOf(1);
    expect(upstream.requests).to.have.lengthOf(0);
  });
});

function expectProblem(response: RawResponse, slug: string | undefined): void {
  expect(response.headers.get("content-type")).to.equal("application/problem+json");
  expect(response.headers.get("cache-control")).to.equal("no-store");
  expect(response.headers.get("sticky-source")).to.equal("gateway");
  const body = JSON.parse(response.body) as { type: string; status: number };
  expect(body.status).to.equal(response.status);
  if (slug !== undefined) expect(body.type).to.equal(`/_sticky/problems/${slug}`);
}
