import { describeWithRedis, RawClient } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startOrigin, text, type Origin } from "./origin.ts";
import { startReplicas, type Ask, type Replicas } from "./replicas.ts";

/** Poisoning: one client's request shapes what others get. Deception: a client is led to store a victim's own page. */
describeWithRedis("cache poisoning and responses for a single client", () => {
  let origin: Origin;
  let replicas: Replicas;
  before(async () => {
    origin = await startOrigin();
    replicas = await startReplicas({ origin: origin.url });
    origin.on("/reflects", (request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60" });
      response.end(JSON.stringify({ headers: request.headers, url: request.url, method: request.method }));
    });
  });
  after(async () => {
    await replicas.close();
    await origin.close();
  });
  let serial = 0;
  /** What the service saw of it, and what the next client gets. */
  async function poison(ask: Ask): Promise<{ seen: string; next: string }> {
    const path = `/reflects?n=${++serial}`;
    await replicas.get(path, ask);
    const next = (await replicas.get(path)).text;
    const [first] = origin.seen(path);
    return { seen: JSON.stringify(first), next };
  }

  const evil = "evil.example";
  for (const name of [
    "X-Forwarded-Host",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Host",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Original-Host",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-HTTP-Method",
    "X_Forwarded_Host",
    "X-HTTP-Host-Override",
    "X-Original-URI",
    "X-Url-Scheme",
    "Fastly-Client-IP",
    "X-Middleware-Rewrite",
    "X-Invoke-Path",
    "RSC",
  ]) {
    it(`${name} does not reach the service`, async () => {
      const { seen, next } = await poison({ headers: { [name]: evil } });
      expect(seen).to.not.contain(evil);
      expect(next).to.not.contain(evil);
    });
  }
  it("a page without a lifetime of the service's own is nobody's but its visitor's", async () => {
    origin.on("/page", (request, response) => {
      response.writeHead(200, { "Last-Modified": "Tue, 03 Feb 2015 10:00:00 GMT" });
      response.end(`for ${request.headers.cookie ?? request.headers.authorization ?? "nobody"}`);
    });
    const visit = async (headers: Record<string, string>) => (await replicas.get("/page", { headers })).text;
    expect(await visit({ Cookie: "sid=1" })).to.equal("for sid=1");
    expect(await visit({ Cookie: "sid=2" })).to.equal("for sid=2");
    expect(await visit({})).to.equal("for nobody");
    expect(await visit({}), "anonymous visitors share").to.equal("for nobody");
    expect(await visit({ Cookie: "sid=3" }), "and no visitor gets what they share").to.equal("for sid=3");
    expect(origin.seen("/page")).to.have.length(4);
  });

  it("the client's Forwarded field does not reach the service unchanged", async () => {
    expect((await poison({ headers: { Forwarded: `host=${evil};for=6.6.6.6` } })).seen).to.not.contain(evil);
  });
  it("a Host that is not configured does not reach the service", async () => {
    expect((await poison({ headers: { Host: evil } })).seen).to.not.contain(evil);
  });
  it("a field listed in Connection cannot carry an unkeyed field to the service", async () => {
    const { seen } = await poison({ headers: { Connection: "X-Forwarded-Host", "X-Forwarded-Host": evil } });
    expect(seen).to.not.contain(evil);
  });
  it("a field listed in Connection leaves the variant with it", async () => {
    origin.on("/language", (request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60", Vary: "X-Language" });
      response.end(`in ${String(request.headers["x-language"] ?? "none")}`);
    });
    const { body } = await RawClient.exchange(
      replicas.ports[0]!,
      "GET /language HTTP/1.1\r\nHost: a\r\nX-Language: pt\r\nConnection: close, x-language\r\n\r\n",
    );
    expect(body).to.equal("in none");
    expect((await replicas.get("/language", { headers: { "X-Language": "pt" } })).text).to.equal("in pt");
  });
  it("a GET with a body goes past the cache, since the key does not include the body", async () => {
    origin.on("/search", text({ "Cache-Control": "max-age=60" }, "all"));
    expect((await replicas.get("/search")).headers["x-cache"]).to.equal("MISS");
    const declared = { body: "evil", headers: { "Content-Length": "4" } };
    for (const more of [
      declared,
      { ...declared, method: "HEAD" },
      { body: "evil", headers: { "Transfer-Encoding": "chunked" } },
    ])
      expect((await replicas.get("/search", more)).headers["cache-status"]).to.match(
        /fwd=bypass; detail=body$/,
      );
    expect(origin.seen("/search")).to.have.lengthOf(4);
    const hidden =
      "GET /search HTTP/1.1\r\nHost: a\r\nConnection: close, transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n";
    const { headers } = await RawClient.exchange(replicas.ports[0]!, hidden);
    expect(headers.get("x-cache")).to.equal("BYPASS");
    expect((await replicas.get("/search")).headers["x-cache"]).to.equal("HIT");
  });
  it("an error that a crafted request provokes is not served to other clients", async () => {
    origin.on("/fragile", (request, response, nth) => {
      const isBad = (request.headers["x-bad"] ?? "") !== "";
      text({}, isBad ? "broken" : "fine", isBad ? 400 : 200)(request, response, nth);
    });
    await replicas.get("/fragile", { headers: { "X-Bad": "1" } });
    expect((await replicas.get("/fragile")).status).to.equal(200);
  });

  it("file extensions and path parameters do not make a response storable", async () => {
    for (const path of ["/account/x.css", "/account;x.css", "/account.js"]) {
      origin.on(path, text({ "Cache-Control": "private", "Content-Type": "text/css" }, "secret"));
      await replicas.get(path, { headers: { Cookie: "session=victim" } });
      expect((await replicas.get(path)).headers["x-cache"], path).to.equal("MISS");
    }
  });
  it("a response without explicit freshness is not stored because its path looks static", async () => {
    origin.on("/profile/a.png", text({}, "secret"));
    await replicas.get("/profile/a.png", { headers: { Cookie: "session=victim" } });
    expect((await replicas.get("/profile/a.png")).text).to.equal("secret 2");
  });

  for (const [what, fields, headers] of [
    ["Set-Cookie", { "Cache-Control": "max-age=60", "Set-Cookie": "session=secret" }, {}],
    ["Authorization", { "Cache-Control": "max-age=60" }, { Authorization: "Bearer victim" }],
    ["private", { "Cache-Control": "private, max-age=60" }, {}],
    ["no-store", { "Cache-Control": "no-store" }, {}],
    ["Vary: *", { "Cache-Control": "max-age=60", Vary: "*" }, {}],
    ["Vary: Cookie", { "Cache-Control": "max-age=60", Vary: "Cookie" }, { Cookie: "session=victim" }],
  ] as const) {
    it(`a response with ${what} reaches only the client that asked`, async () => {
      const path = `/secret-${what.replace(/\W/g, "")}`;
      origin.on(path, text(fields, "secret"));
      await replicas.get(path, { headers: { ...headers } });
      const other = await replicas.get(path);
      expect([other.headers["x-cache"], other.text]).to.deep.equal(["MISS", "secret 2"]);
    });
  }
  it("fields that private lists reach only the client that asked", async () => {
    origin.on(
      "/qualified",
      text({ "Cache-Control": 'max-age=60, private="X-Secret"', "X-Secret": "yes" }, "open"),
    );
    expect((await replicas.get("/qualified")).headers["x-secret"]).to.equal("yes");
    const other = await replicas.get("/qualified");
    expect([other.headers["x-cache"], other.headers["x-secret"]]).to.deep.equal(["HIT", undefined]);
  });
  it("different URIs never have the same key", async () => {
    origin.on("/k", text({ "Cache-Control": "max-age=60" }));
    const paths = [
      "/k",
      "/k?",
      "/k?a",
      "/k?a=",
      "/k?a=1",
      "/k?A=1",
      "/k?a=1&",
      "/k?%61=1",
      "/k?a=1&b=2",
      "/k?b=2&a=1",
    ];
    const texts = [];
    for (const path of paths) texts.push((await replicas.get(path)).text);
    expect(new Set(texts).size).to.equal(paths.length);
  });

  describe("the cache key of a route", () => {
    let keyed: Replicas;
    before(async () => {
      keyed = await startReplicas({
        origin: origin.url,
        policy: {
          keyHeaders: ["x-forwarded-host"],
          keyCookies: ["plan"],
          query: { sort: true, allow: null, deny: ["utm_*"] },
          bypass: { authorization: false, cookies: ["preview"] },
          negativeTtlMs: new Map([[404, 60_000]]),
          cacheStatusKey: true,
        },
      });
    });
    after(() => keyed.close());
    const xCache = async (path: string, headers: Record<string, string> = {}) =>
      (await keyed.get(path, { headers })).headers["x-cache"];

    it("contains cookies and query parameters by the rules of the route", async () => {
      origin.on("/keyed", text({ "Cache-Control": "max-age=60" }));
      expect(await xCache("/keyed?b=1&a=2", { Cookie: "plan=free; id=1" })).to.equal("MISS");
      expect(await xCache("/keyed?a=2&b=1&utm_source=x", { Cookie: "id=2; plan=free" })).to.equal("HIT");
      expect(await xCache("/keyed?a=2&b=1", { Cookie: "plan=pro" })).to.equal("MISS");
      expect(await xCache("/keyed?a=2&b=1", { Cookie: "plan=pro; preview=1" })).to.equal("BYPASS");
    });
    it("is what the service sees: a parameter outside it shapes nobody's page", async () => {
      const next = async (bad: string, good: string) => {
        await keyed.get(bad);
        const { text: body, headers } = await keyed.get(good);
        expect(headers["x-cache"], good).to.equal("HIT");
        return (JSON.parse(body) as { url: string }).url;
      };
      expect(await next("/reflects?utm_source=evil&p=1", "/reflects?p=1")).to.equal("/reflects?p=1");
      expect(await next("/reflects?utm_a=1;b=evil&p=2", "/reflects?p=2")).to.equal("/reflects?p=2");
      expect(await next("/reflects?q=2&p=3", "/reflects?p=3&q=2")).to.equal("/reflects?p=3&q=2");
      expect(await next("/reflects?%75tm_a=evil", "/reflects")).to.equal("/reflects");
    });
    it("error responses have the lifetime of the route's negative TTL", async () => {
      origin.on("/absent", text({}, "no", 404));
      expect([await xCache("/absent"), await xCache("/absent")]).to.deep.equal(["MISS", "HIT"]);
    });
    it("is shown in Cache-Status where the route is configured to", async () => {
      expect((await keyed.get("/absent")).headers["cache-status"]).to.match(/; key="[\w-]{43}"/);
    });
  });
});
