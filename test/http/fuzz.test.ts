/**
 * Requests that are damaged at random, in front of a service that reads by the letter. Whatever a client sends, the
 * service gets nothing but requests that a strict reader finds in those bytes too, one for each that was accepted.
 */
import { normalisePath } from "@sticky-proxy/core/http";
import { RawClient } from "@sticky-proxy/testkit";
import { expect } from "chai";
import fc from "fast-check";

import { service, startGateway, type Gateway } from "./gateway.ts";
import { StrictService } from "./strict-service.ts";
import { parseRequests, type ParsedRequest } from "./strict-parser.ts";

const targets = ["/a", "/a", "/b/c?d=e", "/b/c?d=e", "/%7euser/", "/x;y=z", "http://a/abs?q", "/a/../b"];
const lines = [
  "X-Plain: 1",
  "X-Empty:",
  "X_Under: 1",
  "Connection: close",
  "Connection: keep-alive, X-Hop",
  "X-Hop: 1",
  "TE: trailers",
  "Upgrade: h2c",
  "Expect: 100-continue",
  "Sticky-Fence: 9",
  "Transfer_Encoding: chunked",
  "Cookie: a=1",
  "Via: 1.0 x",
];
const framings = [
  "\r\n",
  "Content-Length: 0\r\n\r\n",
  "Content-Length: 5\r\n\r\nhello",
  "Content-Length: 44\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\nX: abcd\r\n\r\n",
  "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
  'Transfer-Encoding: chunked\r\n\r\n3;a=b;c="d"\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n',
  "Transfer-Encoding: chunked\r\n\r\n2a\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\nX: abcd\r\n\r\n0\r\n\r\n",
];
const splinters = [
  ...'\r\n \t\0:;,\x0b\x7f\x80\xff#@\\"_0aG/.'.split(""),
  "\r\n",
  "\r\n\r\n",
  "%2e",
  "%2f",
  "Content-Length: 3\r\n",
  "Content-Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Transfer-Encoding : chunked\r\n",
  "Host: b\r\n",
  "Connection: Content-Length, Host\r\n",
  "0\r\n\r\n",
  "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
];

const request = fc
  .tuple(
    fc.constantFrom("GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "OPTIONS"),
    fc.constantFrom(...targets),
    fc.constantFrom("1.1", "1.1", "1.1", "1.1", "1.1", "1.1", "1.0"),
    fc.subarray(lines, { maxLength: 4 }),
    fc.constantFrom(...framings),
  )
  .map(
    ([method, target, version, fields, framing]) =>
      `${method} ${target} HTTP/${version}\r\nHost: a\r\n${fields.map((line) => `${line}\r\n`).join("")}${framing}`,
  );

/** Where damage strikes, as a share of the length; fast-check's own doubles are nearly all close to zero. */
const place = fc.noBias(fc.nat(9_999)).map((n) => n / 10_000);

const damage = fc.oneof(
  fc.tuple(place, fc.constantFrom(...splinters)).map(
    ([where, splinter]) =>
      (text: string): string =>
        cutAt(text, where, 0, splinter),
  ),
  fc.tuple(place, fc.integer({ min: 1, max: 6 })).map(
    ([where, length]) =>
      (text: string): string =>
        cutAt(text, where, length, ""),
  ),
  fc.tuple(place, fc.constantFrom(...splinters)).map(([where, splinter]) => (text: string): string => {
    const breaks = [...text.matchAll(/\r\n/g)].map(({ index }) => index);
    const at = breaks[Math.floor(where * (breaks.length - 1))] ?? 0;
    return text.slice(0, at) + splinter + text.slice(at + 2);
  }),
  place.map((where) => (text: string): string => {
    const all = text.split("\r\n");
    const at = Math.floor(where * (all.length - 1));
    return [...all.slice(0, at), all[at], ...all.slice(at)].join("\r\n");
  }),
);

function cutAt(text: string, where: number, length: number, instead: string): string {
  const at = Math.floor(where * text.length);
  return text.slice(0, at) + instead + text.slice(at + length);
}

const conversation = fc
  .tuple(fc.array(request, { minLength: 1, maxLength: 3 }), fc.array(damage, { maxLength: 2 }))
  .map(([requests, damages]) => damages.reduce((text, strike) => strike(text), requests.join("")));

/** Framing is in doubt: nothing that follows on this connection can be trusted. */
const inDoubt = /malformed-request|not-implemented|version-not-supported|headers-too-large|uri-too-long/;

describe("requests damaged at random", () => {
  let strict: StrictService;
  let gateway: Gateway;

  before(async () => {
    strict = await StrictService.start();
    gateway = await startGateway({ services: [service(strict.origin)] });
  });

  after(async () => {
    await gateway.close();
    await strict.close();
  });

  it("reach the service as what a strict reader finds in them, or not at all", async function () {
    this.timeout(60_000);
    await fc.assert(fc.asyncProperty(conversation, check), { numRuns: 1_500 });
  });

  async function check(bytes: string): Promise<void> {
    strict.forget();
    gateway.logged.length = 0;
    const client = await RawClient.connect(gateway.port);
    client.socket.allowHalfOpen = true;
    client.socket.end(bytes, "latin1");
    const replies = repliesIn(await client.rest());
    while (gateway.server.inFlight > 0) await new Promise((resolve) => setImmediate(resolve));

    expect(strict.errors, "what the service could not read").to.deep.equal([]);
    const answered = replies.filter(({ fields }) => fields.get("sticky-source") === "service");
    expect(strict.requests.length, "requests at the service").to.equal(answered.length);
    const found = parseRequests(bytes).requests.map(identityOf);
    for (const seen of strict.requests) {
      const at = found.indexOf(identityOf(seen));
      expect(at, `${identityOf(seen)} among ${JSON.stringify(found)}`).to.not.equal(-1);
      found.splice(at, 1);
      expectClean(seen);
    }
    for (const [i, { status, fields, body }] of replies.entries()) {
      if (status < 400 || answered.includes(replies[i]!)) continue;
      expect(fields.get("content-type")).to.equal("application/problem+json");
      expect(status).to.not.equal(500);
      if (!inDoubt.test(body)) continue;
      expect(fields.get("connection"), body).to.equal("close");
      expect(i, "nothing after it").to.equal(replies.length - 1);
    }
    const failed = gateway.logged.filter(({ event }) => /failed|unhandled/.test(event));
    expect(failed).to.deep.equal([]);
  }

  /** Nothing of the client's hop, nothing in our name, and the path that was matched. */
  function expectClean({ target, fields }: ParsedRequest): void {
    const values = new Map(fields);
    for (const name of [
      "te",
      "trailer",
      "upgrade",
      "expect",
      "keep-alive",
      "sticky-fence",
      "transfer_encoding",
    ])
      expect(values.has(name), name).to.equal(false);
    expect(values.get("connection")).to.equal("keep-alive");
    const id = values.get("x-request-id");
    const line = gateway.logged.find(
      ({ event, fields: said }) => event === "request" && said["requestId"] === id,
    );
    const path = normalisePath(target.split("?", 1)[0]!);
    expect(path.ok && path.path).to.equal(line?.fields["path"]);
  }
});

/** Absolute targets lose their authority on the way, and paths their "." segments; "%2e" and "." are one (RFC 3986 6.2.2). */
function identityOf({ method, target, body }: ParsedRequest): string {
  const local = target.replace(/^http:\/\/[^/?]*/i, "");
  const [path = "", ...query] = (local.startsWith("/") ? local : `/${local}`).split("?");
  const dotted = path.replace(/%2e/gi, ".").replace(/%[0-9a-f]{2}/gi, (escape) => escape.toUpperCase());
  const segments = dotted.split("/");
  const kept = segments.filter((segment) => segment !== ".");
  const plain = kept.join("/") + (segments.at(-1) === "." ? "/" : "");
  return JSON.stringify([method, [plain, ...query].join("?"), body]);
}

interface Reply {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Final responses; none of them is to a HEAD. */
function repliesIn(text: string): Reply[] {
  const replies: Reply[] = [];
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\r\n\r\n", at);
    const [first = "", ...rest] = text.slice(at, end).split("\r\n");
    const status = Number(/^HTTP\/1\.1 ([0-9]{3}) /.exec(first)?.[1]);
    expect(end !== -1 && status >= 100, `a response begins with ${JSON.stringify(first)}`).to.equal(true);
    const fields = new Map(
      rest.map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
      }),
    );
    const length = Number(fields.get("content-length") ?? 0);
    const body = text.slice(end + 4, end + 4 + length);
    expect(body.length, "a whole body").to.equal(length);
    if (status >= 200) replies.push({ status, fields, body });
    at = end + 4 + length;
  }
  return replies;
}
