import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startOrigin, type Origin } from "./origin.ts";
import { startReplicas, type Got, type Replicas } from "./replicas.ts";

interface Step {
  /** What the client asks. */
  readonly ask?: Record<string, string | readonly string[]>;
  readonly method?: string;
  /** What the service answers if it is asked; absent: it must not be asked. */
  readonly service?: {
    readonly status?: number;
    readonly fields?: Record<string, string | readonly string[]>;
    readonly body?: string;
    readonly sendDate?: boolean;
  };
  /** Fields that the service must have seen (null: not seen). */
  readonly sees?: Record<string, string | null>;
  /** What the client gets. */
  readonly gets?: {
    readonly status?: number;
    readonly body?: string;
    readonly fields?: Record<string, string | null>;
  };
}

/** Rules of RFC 9111 where core and the wire meet: each a short conversation with a service. */
describeWithRedis("RFC 9111 on the wire", () => {
  let origin: Origin;
  const replicas: Replicas[] = [];
  before(async () => {
    origin = await startOrigin();
    for (const profile of ["safe", "conformance"] as const) {
      replicas.push(await startReplicas({ origin: origin.url, policy: { profile } }));
    }
  });
  after(async () => {
    for (const one of replicas) await one.close();
    await origin.close();
  });

  let serial = 0;
  async function converse(through: Replicas, steps: readonly Step[]): Promise<void> {
    const path = `/wire-${++serial}`;
    let asked = 0;
    for (const [i, { ask = {}, method = "GET", service, sees = {}, gets = {} }] of steps.entries()) {
      origin.on(path, (_, response) => {
        asked++;
        response.sendDate = service?.sendDate ?? true;
        response.writeHead(service?.status ?? 200, { ...service?.fields } as never);
        response.end(
          service?.body ?? (service?.status === 304 || service?.status === 204 ? undefined : `body ${i + 1}`),
        );
      });
      const before = asked;
      const got: Got = await through.get(path, { method, headers: ask });
      const what = `step ${i + 1}: ${got.status} ${String(got.headers["cache-status"])}`;
      expect(asked - before, `${what}: requests to the service`).to.equal(service === undefined ? 0 : 1);
      const seen = origin.seen(path).at(-1)?.headers ?? {};
      for (const [name, value] of Object.entries(sees))
        expect(seen[name] ?? null, `${what}: ${name} seen`).to.equal(value);
      if (gets.status !== undefined) expect(got.status, what).to.equal(gets.status);
      if (gets.body !== undefined) expect(got.text, what).to.equal(gets.body);
      for (const [name, value] of Object.entries(gets.fields ?? {})) {
        expect(got.headers[name] ?? null, `${what}: ${name}`).to.equal(value);
      }
    }
  }

  const fresh = { "Cache-Control": "max-age=60" };
  const stale = { "Cache-Control": "max-age=0", ETag: '"1"' };
  const conversations: readonly [string, readonly Step[]][] = [
    ...[
      200, 203, 204, 299, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 422, 499, 500, 501,
      502, 503, 504, 599,
    ].map((status): [string, readonly Step[]] => [
      `a fresh ${status} is served again (3, 4)`,
      [
        { service: { status, fields: fresh }, gets: { status } },
        { gets: { status, body: status === 204 ? "" : "body 1" } },
      ],
    ]),
    [
      "a 205 is stored without what the service sends behind it (9110 15.3.6)",
      [
        {
          service: { status: 205, fields: { ...fresh, "Content-Length": "6" } },
          gets: { status: 205, body: "" },
        },
        { gets: { status: 205, body: "", fields: { "content-length": "0" } } },
      ],
    ],
    [
      "a 304 without Date is of the time of its receipt (9110 6.6.1)",
      [
        { service: { fields: { ...fresh, ETag: '"1"', Date: "Fri, 20 Nov 2020 00:00:00 GMT" } } },
        { service: { status: 304, fields: { ETag: '"1"' }, sendDate: false }, gets: { body: "body 1" } },
        { gets: { body: "body 1" } },
      ],
    ],
    [
      "a tag that ends in a backslash does not hide the next one (9110 8.8.3)",
      [
        { service: { fields: { ...fresh, ETag: '"1"' } } },
        { ask: { "If-None-Match": '"a\\", "1"' }, gets: { status: 304 } },
      ],
    ],
    [
      "a 304 freshens: its fields replace, others stay, the next answer is fresh (3.2, 4.3.4)",
      [
        {
          service: { fields: { ...stale, A: "1", B: "1", "Content-Type": "text/a", "Content-Length": "6" } },
          gets: { body: "body 1" },
        },
        {
          service: { status: 304, fields: { ...fresh, ETag: '"1"', A: "2", "Content-Length": "99" } },
          sees: { "if-none-match": '"1"' },
          gets: {
            status: 200,
            body: "body 1",
            fields: { a: "2", b: "1", "content-length": "6", "x-cache": "REVALIDATED" },
          },
        },
        { gets: { body: "body 1", fields: { a: "2", b: "1", "content-type": "text/a", "x-cache": "HIT" } } },
      ],
    ],
    [
      "a 200 to a validation replaces what was stored",
      [
        { service: { fields: stale } },
        { service: { fields: { ...fresh, ETag: '"2"' } }, gets: { body: "body 2" } },
        { gets: { body: "body 2" } },
      ],
    ],
    [
      "a field that no-cache names comes with the 304 for the one who asked, and for nobody else (5.2.2.4)",
      [
        { service: { fields: { "Cache-Control": 'max-age=0, no-cache="A"', ETag: '"1"', A: "1" } } },
        {
          service: {
            status: 304,
            fields: { "Cache-Control": 'max-age=60, no-cache="A"', ETag: '"1"', A: "2" },
          },
          gets: { body: "body 1", fields: { a: "2" } },
        },
        { gets: { body: "body 1", fields: { a: null } } },
      ],
    ],
    [
      "a full answer that may not be stored takes the stored one with it (4.3.3)",
      [
        { service: { fields: { ...fresh, ETag: '"1"' } } },
        {
          ask: { "Cache-Control": "no-cache" },
          service: { fields: { "Cache-Control": "private" } },
          gets: { body: "body 2" },
        },
        { service: { fields: fresh }, sees: { "if-none-match": null }, gets: { body: "body 3" } },
      ],
    ],
    [
      "but not when it is an error, or for somebody who shows credentials",
      [
        { service: { fields: { ...fresh, ETag: '"1"' } } },
        {
          ask: { "Cache-Control": "no-cache" },
          service: { status: 503, fields: { "Cache-Control": "no-store" } },
          gets: { status: 503 },
        },
        {
          ask: { Authorization: "x" },
          service: { fields: { "Cache-Control": "private" } },
          gets: { body: "body 3" },
        },
        { gets: { body: "body 1" } },
      ],
    ],
    [
      "a validator of our own goes with the client's conditions left out, which are judged here (4.3.1, 4.3.2)",
      [
        { service: { fields: { ...stale, "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT" } } },
        {
          ask: { "If-None-Match": '"mine", "1"', Range: "bytes=0-1" },
          service: { status: 304, fields: { ...fresh, ETag: '"1"' } },
          sees: { "if-none-match": '"1"', "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT", range: null },
          gets: { status: 304, body: "" },
        },
      ],
    ],
    [
      "with nothing stored the fetch fills the cache, and the client's condition is judged by what comes",
      [
        {
          ask: { "If-None-Match": '"x"' },
          service: { fields: { ...fresh, ETag: '"x"' } },
          sees: { "if-none-match": null },
          gets: { status: 304 },
        },
        { gets: { status: 200, body: "body 1" } },
        { ask: { "If-None-Match": '"y"' }, gets: { status: 200, body: "body 1" } },
      ],
    ],
    [
      "a response that may not be stored answers the condition that was not forwarded",
      [
        {
          ask: { "If-None-Match": '"x"' },
          service: { fields: { "Cache-Control": "private", ETag: 'W/"x"' } },
          sees: { "if-none-match": null },
          gets: { status: 304 },
        },
      ],
    ],
    [
      "the whole as a range fills the cache; its answer is the whole (RFC 9110 14.2)",
      [
        {
          ask: { Range: "bytes=0-" },
          service: { fields: fresh },
          sees: { range: null },
          gets: { status: 200, body: "body 1" },
        },
        { ask: { Range: "bytes=0-" }, gets: { status: 206, body: "body 1" } },
      ],
    ],
    [
      "a credential's condition is the service's to judge, and its 304 the client's",
      [
        {
          ask: { "If-None-Match": '"x"', Authorization: "Bearer a" },
          service: { status: 304, fields: { ETag: '"x"' } },
          sees: { "if-none-match": '"x"' },
          gets: { status: 304 },
        },
        { service: { fields: fresh }, gets: { status: 200 } },
        { ask: { "If-None-Match": '"x"' }, gets: { status: 200, body: "body 2" } },
      ],
    ],
    [
      "a cookie of a 304 is its client's, and what is stored stays shared",
      [
        { service: { fields: { "Cache-Control": "max-age=0, stale-while-revalidate=0", ETag: '"x"' } } },
        {
          service: { status: 304, fields: { ...fresh, ETag: '"x"', "Set-Cookie": "sid=1" } },
          sees: { "if-none-match": '"x"' },
          gets: { status: 200, body: "body 1" },
        },
        { gets: { status: 200, body: "body 1", fields: { "set-cookie": null } } },
      ],
    ],
    [
      "a conditional request whose answer is a 200 is stored",
      [
        {
          ask: { "If-None-Match": '"old"' },
          service: { fields: { ...fresh, ETag: '"new"' } },
          gets: { status: 200 },
        },
        { gets: { body: "body 1" } },
      ],
    ],
    [
      "HEAD is answered from GET; a forwarded one freshens it (4.3.5)",
      [
        { service: { fields: { ...stale, A: "1", "Content-Length": "6" } } },
        {
          method: "HEAD",
          service: { fields: { ...fresh, ETag: '"1"', A: "2", "Content-Length": "6" } },
          sees: { "if-none-match": null },
          gets: { status: 200 },
        },
        { gets: { body: "body 1", fields: { a: "2" } } },
        { method: "HEAD", gets: { status: 200, body: "", fields: { "content-length": "6" } } },
      ],
    ],
    [
      "a HEAD that tells of another representation drops the GET",
      [
        { service: { fields: stale } },
        { method: "HEAD", service: { fields: { ...fresh, ETag: '"2"' } } },
        { service: { fields: fresh }, sees: { "if-none-match": null }, gets: { body: "body 3" } },
      ],
    ],
    [
      "a HEAD with nothing stored fetches what later GETs and HEADs are answered with",
      [
        { method: "HEAD", service: { fields: fresh }, gets: { status: 200, body: "" } },
        { gets: { body: "body 1" } },
        { method: "HEAD", gets: { status: 200, body: "" } },
      ],
    ],
    [
      "a HEAD whose GET may not be stored is answered from its head",
      [
        {
          method: "HEAD",
          service: { fields: { "Cache-Control": "private", "X-A": "b" } },
          gets: { status: 200, body: "", fields: { "x-a": "b" } },
        },
      ],
    ],
    [
      "a part is passed on and not stored (3.3)",
      [
        {
          ask: { Range: "bytes=0-1" },
          service: { status: 206, fields: { ...fresh, "Content-Range": "bytes 0-1/6" }, body: "bo" },
          sees: { range: "bytes=0-1" },
          gets: { status: 206, body: "bo" },
        },
        { service: { fields: fresh }, gets: { status: 200, body: "body 2" } },
        { ask: { Range: "bytes=-2" }, gets: { status: 206, body: " 2" } },
      ],
    ],
    [
      "a 304 made from what the service just sent comes when that is stored",
      [
        {
          ask: { "If-None-Match": '"1"' },
          service: { fields: { ...fresh, ETag: '"1"' }, body: "x".repeat(300_000) },
          gets: { status: 304 },
        },
        { gets: { status: 200, body: "x".repeat(300_000) } },
      ],
    ],
    [
      "the whole is preferred to a part, whichever is newer",
      [
        { service: { fields: fresh, body: "0123456789" } },
        { ask: { Range: "bytes=1-2" }, gets: { status: 206, body: "12" } },
        { ask: { Range: "bytes=9-99" }, gets: { status: 206, body: "9" } },
      ],
    ],
    [
      "the whole in answer to a range is stored (9110 14.2)",
      [
        { ask: { Range: "bytes=0-1" }, service: { fields: fresh }, gets: { status: 200, body: "body 1" } },
        { gets: { body: "body 1" } },
        { ask: { Range: "bytes=0-1" }, gets: { status: 206, body: "bo" } },
      ],
    ],
    [
      "that a range cannot be satisfied is not stored for others",
      [
        { ask: { Range: "bytes=9-" }, service: { status: 416, fields: fresh }, gets: { status: 416 } },
        { service: { fields: fresh }, gets: { status: 200, body: "body 2" } },
      ],
    ],
    [
      "a response without Vary does not hide those that select (4.1)",
      [
        { ask: { Foo: "1" }, service: { fields: { ...fresh, Vary: "Foo" } } },
        { ask: { Foo: "2" }, service: { fields: fresh } },
        { ask: { Foo: "1" }, gets: { body: "body 1" } },
        { ask: { Foo: "3" }, gets: { body: "body 2" } },
        { ask: { Foo: "1", "Cache-Control": "no-cache" }, service: { fields: fresh } },
        { ask: { Foo: "1" }, gets: { body: "body 5" } },
      ],
    ],
    [
      "two If-Modified-Since are none (9110 13.1.3)",
      [
        { service: { fields: { ...fresh, "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT" } } },
        {
          ask: { "If-Modified-Since": ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"] },
          gets: { status: 200, body: "body 1" },
        },
      ],
    ],
    [
      "hop-by-hop fields are not kept (3.1)",
      [
        {
          service: {
            fields: {
              ...fresh,
              Connection: "X-Hop",
              "X-Hop": "1",
              "Proxy-Authenticate": "x",
              "Keep-Alive": "timeout=9",
            },
          },
        },
        { gets: { body: "body 1", fields: { "x-hop": null, "proxy-authenticate": null } } },
      ],
    ],
    [
      "fields that no-cache names are not reused (5.2.2.4)",
      [
        {
          service: { fields: { "Cache-Control": 'max-age=60, no-cache="A"', A: "1", B: "1" } },
          gets: { fields: { a: "1" } },
        },
        { gets: { body: "body 1", fields: { a: null, b: "1" } } },
      ],
    ],
    [
      "no-store of the request: neither read nor stored (5.2.1.5)",
      [
        { ask: { "Cache-Control": "no-store" }, service: { fields: fresh } },
        { service: { fields: fresh }, gets: { body: "body 2" } },
        { ask: { "Cache-Control": "no-store" }, service: { fields: fresh }, gets: { body: "body 3" } },
        { gets: { body: "body 2" } },
      ],
    ],
    [
      "no-cache of the request validates a fresh response (5.2.1.4)",
      [
        { service: { fields: { ...fresh, ETag: '"1"' } } },
        {
          ask: { "Cache-Control": "no-cache" },
          service: { status: 304, fields: { ETag: '"1"' } },
          sees: { "if-none-match": '"1"' },
          gets: { status: 200, body: "body 1" },
        },
        {
          ask: { Pragma: "no-cache" },
          service: { status: 304, fields: { ETag: '"1"' } },
          gets: { status: 200, body: "body 1" },
        },
      ],
    ],
    [
      "Authorization: reused for others only when the response says so (3.5)",
      [
        { ask: { Authorization: "a" }, service: { fields: fresh } },
        { service: { fields: fresh }, gets: { body: "body 2" } },
        {
          ask: { Authorization: "a" },
          service: { fields: { "Cache-Control": "s-maxage=60" } },
          gets: { body: "body 3" },
        },
        { ask: { Authorization: "b" }, gets: { body: "body 3" } },
        { gets: { body: "body 3" } },
      ],
    ],
    [
      "Age is passed on and counted (4.2.3, 5.1)",
      [
        { service: { fields: { "Cache-Control": "max-age=3600", Age: "1800" } } },
        { gets: { fields: { age: "1800" } } },
      ],
    ],
    [
      "an Age past the lifetime is stale at once",
      [
        { service: { fields: { "Cache-Control": "max-age=3600", Age: "3600", ETag: '"1"' } } },
        { service: { fields: fresh }, sees: { "if-none-match": '"1"' }, gets: { body: "body 2" } },
      ],
    ],
    [
      "CDN-Cache-Control decides, is passed on, and Cache-Control with it (RFC 9213)",
      [
        { service: { fields: { "CDN-Cache-Control": "max-age=60", "Cache-Control": "no-store" } } },
        {
          gets: {
            body: "body 1",
            fields: { "cdn-cache-control": "max-age=60", "cache-control": "no-store" },
          },
        },
      ],
    ],
    [
      "the newest of several matching variants wins (4.1)",
      [
        { ask: { A: "1" }, service: { fields: { ...fresh, Vary: "A" } } },
        { ask: { A: "2" }, service: { fields: { ...fresh, Vary: "A" } } },
        { ask: { A: "1" }, gets: { body: "body 1" } },
        {
          ask: { A: "1", "Cache-Control": "no-cache" },
          service: { fields: { ...fresh, Vary: "B" } },
          gets: { body: "body 4" },
        },
        { ask: { A: "1" }, gets: { body: "body 4" } },
      ],
    ],
  ];
  it("a stored 206 answers requests for ranges within it, in the conformance profile only (RFC 9111 3.3)", async () => {
    const part = (first: number, last: number) => ({
      status: 206,
      fields: {
        ...fresh,
        "Content-Range": `bytes ${first}-${last}/10`,
        "Content-Length": String(last - first + 1),
      },
      body: "0123456789".slice(first, last + 1),
    });
    const ask = { Range: "bytes=2-6" };
    const [safe, conformance] = replicas as [Replicas, Replicas];
    await converse(safe, [
      { ask, service: part(2, 6) },
      { ask, service: part(2, 6) },
    ]);
    await converse(conformance, [
      { ask, service: part(2, 6), gets: { status: 206, body: "23456" } },
      { ask, gets: { status: 206, body: "23456", fields: { "content-range": "bytes 2-6/10" } } },
      {
        ask: { Range: "bytes=3-4" },
        gets: { status: 206, body: "34", fields: { "content-range": "bytes 3-4/10", "content-length": "2" } },
      },
      { ask: { Range: "bytes=6-7" }, service: part(6, 7), gets: { status: 206, body: "67" } },
      { ask: { Range: "bytes=-4" }, service: part(6, 9), gets: { status: 206, body: "6789" } },
      { ask: { Range: "bytes=8-" }, gets: { status: 206, body: "89" } },
      { ask, method: "HEAD", service: { fields: fresh, body: "0123456789" }, gets: { status: 200 } },
      { gets: { status: 200, body: "0123456789" } },
      { ask, gets: { status: 206, body: "23456" } },
      { method: "POST", service: {} },
      { ask, service: part(2, 6) },
    ]);
  });
  for (const [what, steps] of conversations) {
    it(what, async () => {
      for (const through of replicas) await converse(through, steps);
    });
  }
});
