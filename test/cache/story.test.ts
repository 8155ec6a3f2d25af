import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startOrigin, text, type Origin } from "./origin.ts";
import { startReplicas, type Replicas } from "./replicas.ts";

describeWithRedis("a response's life in the shared cache", () => {
  let origin: Origin;
  let replicas: Replicas;
  before(async () => {
    origin = await startOrigin();
    replicas = await startReplicas({ origin: origin.url, count: 3 });
  });
  after(async () => {
    await replicas.close();
    await origin.close();
  });
  const xCache = async (path: string, replica: number, headers: Record<string, string> = {}) => {
    const got = await replicas.get(path, { headers }, replica);
    return [got.headers["x-cache"], got.text];
  };

  it("a response is a miss on one replica, a hit on the others, then stale, revalidated and fresh", async () => {
    origin.on("/story", (request, response, nth) => {
      response.setHeader("Cache-Control", nth === 1 ? "max-age=0, stale-if-error=60" : "max-age=60");
      response.setHeader("ETag", '"v1"');
      if (request.headers["if-none-match"] === '"v1"') {
        response.writeHead(304, { "X-Fresh": "yes" });
        response.end();
        return;
      }
      response.end("the body");
    });
    expect(await xCache("/story", 0)).to.deep.equal(["MISS", "the body"]);
    const validated = await replicas.get("/story", {}, 1);
    expect([validated.headers["x-cache"], validated.text]).to.deep.equal(["REVALIDATED", "the body"]);
    expect(validated.headers["x-fresh"]).to.equal("yes");
    expect(validated.headers["cache-status"]).to.equal("sticky; fwd=stale; fwd-status=304; stored");
    const hit = await replicas.get("/story", {}, 2);
    expect([hit.headers["x-cache"], hit.text, hit.headers["x-fresh"]]).to.deep.equal([
      "HIT",
      "the body",
      "yes",
    ]);
    expect(hit.headers["cache-status"]).to.match(/^sticky; hit; ttl=\d+$/);
    expect(hit.headers["age"]).to.match(/^\d+$/);
    expect(hit.headers["sticky-source"]).to.equal("store");
    expect(origin.seen("/story").map(({ method }) => method)).to.deep.equal(["GET", "GET"]);
  });

  it("a stale response without a validator is fetched again", async () => {
    origin.on("/expired", text({ "Cache-Control": "max-age=0, stale-if-error=60" }));
    expect(await xCache("/expired", 0)).to.deep.equal(["MISS", "body 1"]);
    const second = await replicas.get("/expired", {}, 1);
    expect([second.headers["x-cache"], second.text]).to.deep.equal(["MISS", "body 2"]);
    expect(second.headers["cache-status"]).to.equal("sticky; fwd=stale; stored");
  });

  it("HEAD, ranges and conditions are answered from a stored GET, on any replica", async () => {
    origin.on("/parts", (_, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60", ETag: '"p"', "Content-Type": "text/plain" });
      response.end("0123456789");
    });
    await replicas.get("/parts", {}, 0);
    const head = await replicas.get("/parts", { method: "HEAD" }, 1);
    expect([head.status, head.headers["content-length"], head.text]).to.deep.equal([200, "10", ""]);
    const part = await replicas.get("/parts", { headers: { Range: "bytes=2-4" } }, 2);
    expect([part.status, part.headers["content-range"], part.text]).to.deep.equal([
      206,
      "bytes 2-4/10",
      "234",
    ]);
    const last = await replicas.get("/parts", { headers: { Range: "bytes=-3", "If-Range": '"p"' } }, 2);
    expect([last.status, last.text]).to.deep.equal([206, "789"]);
    const beyond = await replicas.get("/parts", { headers: { Range: "bytes=10-" } }, 1);
    expect([beyond.status, beyond.headers["content-range"]]).to.deep.equal([416, "bytes */10"]);
    const several = await replicas.get("/parts", { headers: { Range: "bytes=0-1,3-4" } }, 1);
    expect([several.status, several.text]).to.deep.equal([200, "0123456789"]);
    const current = await replicas.get("/parts", { headers: { "If-None-Match": 'W/"p"' } }, 1);
    expect([current.status, current.text, current.headers["content-type"]]).to.deep.equal([
      304,
      "",
      undefined,
    ]);
    expect(origin.seen("/parts")).to.have.lengthOf(1);
  });

  it("a stored body of many pieces is returned byte for byte, in full and as a range", async () => {
    const body = Buffer.alloc(1_000_001);
    for (let i = 0; i < body.length; i++) body[i] = (i * 31 + (i >> 9)) & 0xff;
    origin.on("/large", (_, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60", "Content-Length": body.length });
      response.end(body);
    });
    const miss = await replicas.get("/large", {}, 0);
    expect(miss.body.equals(body)).to.equal(true);
    for (const replica of [0, 1]) {
      const hit = await replicas.get("/large", {}, replica);
      expect(hit.headers["x-cache"]).to.equal("HIT");
      expect(hit.body.equals(body)).to.equal(true);
    }
    const part = await replicas.get("/large", { headers: { Range: "bytes=262100-393300" } }, 2);
    expect(part.status).to.equal(206);
    expect(part.body.equals(body.subarray(262_100, 393_301))).to.equal(true);
    expect(origin.seen("/large")).to.have.lengthOf(1);
  });

  it("variants of one resource are stored side by side and selected by Vary", async () => {
    origin.on("/vary", (request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60", Vary: "Accept-Language" });
      response.end(request.headers["accept-language"] ?? "none");
    });
    const ask = (language: string, replica: number) =>
      xCache("/vary", replica, { "Accept-Language": language });
    expect(await ask("de", 0)).to.deep.equal(["MISS", "de"]);
    const other = await replicas.get("/vary", { headers: { "Accept-Language": "en" } }, 1);
    expect([other.headers["x-cache"], other.text]).to.deep.equal(["MISS", "en"]);
    expect(other.headers["cache-status"]).to.contain("fwd=vary-miss");
    expect(await ask("de", 2)).to.deep.equal(["HIT", "de"]);
    expect(await ask("EN", 2)).to.deep.equal(["HIT", "en"]);
  });

  it("103 Early Hints reach the client and are not stored", async () => {
    origin.on("/hints", (_, response) => {
      response.writeEarlyHints({ link: "</a.css>; rel=preload" }, () => {
        response.writeHead(200, { "Cache-Control": "max-age=60" });
        response.end("hinted");
      });
    });
    const miss = await replicas.get("/hints", {}, 0);
    expect([miss.informational, miss.text]).to.deep.equal([[103], "hinted"]);
    const hit = await replicas.get("/hints", {}, 1);
    expect([hit.informational, hit.headers["x-cache"]]).to.deep.equal([[], "HIT"]);
  });

  it("a POST response is stored for later GETs when Content-Location names the URI (RFC 9110 9.3.3)", async () => {
    const post = (path: string) => replicas.get(path, { method: "POST", body: "x" }, 0);
    origin.on("/posted", text({ "Cache-Control": "max-age=60", "Content-Location": "/posted" }));
    expect((await post("/posted")).text).to.equal("body 1");
    expect(await xCache("/posted", 1)).to.deep.equal(["HIT", "body 1"]);
    expect((await post("/posted")).text).to.equal("body 2");
    expect(await xCache("/posted", 2)).to.deep.equal(["HIT", "body 2"]);
    origin.on(
      "/whole-post",
      text({ "Cache-Control": "max-age=60", "Content-Location": `${origin.url}/whole-post` }),
    );
    await post("/whole-post");
    expect(await xCache("/whole-post", 1)).to.deep.equal(["HIT", "body 1"]);
    origin.on("/plain-post", text({ "Cache-Control": "max-age=60" }));
    await post("/plain-post");
    expect(await xCache("/plain-post", 1)).to.deep.equal(["MISS", "body 2"]);
  });

  describe("limits", () => {
    let small: Replicas;
    before(async () => {
      small = await startReplicas({
        origin: origin.url,
        count: 2,
        policy: { maxObjectBytes: 200_000, maxVariants: 2 },
      });
    });
    after(() => small.close());

    it("a response with a Content-Length over the limit is forwarded and not stored", async () => {
      const body = Buffer.alloc(300_000, "x");
      origin.on("/announced", (_, response) => {
        response.writeHead(200, { "Cache-Control": "max-age=60", "Content-Length": body.length });
        response.end(body);
      });
      for (const replica of [0, 1]) {
        const got = await small.get("/announced", {}, replica);
        expect([got.headers["x-cache"], got.body.length]).to.deep.equal(["MISS", body.length]);
        expect(got.headers["cache-status"]).to.contain("detail=too-large");
      }
    });
    it("a response that exceeds the limit while it arrives reaches all its readers in full", async () => {
      const body = Buffer.alloc(3_000_000, "chunk ");
      origin.on("/endless", (_, response) => {
        response.writeHead(200, { "Cache-Control": "max-age=60" });
        response.end(body);
      });
      const first = await small.get("/endless");
      expect([first.headers["x-cache"], first.body.equals(body)]).to.deep.equal(["MISS", true]);
      const second = await small.get("/endless", {}, 1);
      expect([second.headers["x-cache"], second.body.equals(body)]).to.deep.equal(["MISS", true]);
      expect(second.headers["cache-status"]).to.contain("detail=too-large");
    });
    it("of more variants than the maximum the newest are kept", async () => {
      origin.on("/many", (request, response) => {
        response.writeHead(200, { "Cache-Control": "max-age=60", Vary: "X-V" });
        response.end(request.headers["x-v"]);
      });
      for (const v of ["1", "2", "3"]) await small.get("/many", { headers: { "X-V": v } });
      const results = [];
      for (const v of ["3", "2", "1"])
        results.push((await small.get("/many", { headers: { "X-V": v } })).headers["x-cache"]);
      expect(results).to.deep.equal(["HIT", "HIT", "MISS"]);
    });
  });

  it("a request with only-if-cached is never forwarded", async () => {
    origin.on("/only", text({ "Cache-Control": "max-age=60" }));
    const headers = { "Cache-Control": "only-if-cached" };
    const refused = await replicas.get("/only", { headers }, 0);
    expect([refused.status, refused.headers["content-type"]]).to.deep.equal([
      504,
      "application/problem+json",
    ]);
    expect(refused.headers["cache-status"], "made by the gateway: RFC 9211 2").to.equal(undefined);
    expect(origin.seen("/only")).to.have.lengthOf(0);
    await replicas.get("/only", {}, 0);
    expect((await replicas.get("/only", { headers }, 1)).text).to.equal("body 1");
  });

  it("an incomplete response is incomplete for the client too, and is not stored", async () => {
    origin.on("/cut", (_, response, nth) => {
      response.writeHead(200, { "Cache-Control": "max-age=60", "Content-Length": 100 });
      if (nth === 1) response.write("short", () => response.destroy());
      else response.end("x".repeat(100));
    });
    let cut = false;
    await replicas.get("/cut", {}, 0).catch(() => (cut = true));
    expect(cut).to.equal(true);
    expect((await replicas.get("/cut", {}, 1)).headers["x-cache"]).to.equal("MISS");
    expect((await replicas.get("/cut", {}, 2)).headers["x-cache"]).to.equal("HIT");
  });
});
