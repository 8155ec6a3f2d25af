import { purgeCache, showUrl } from "@sticky-proxy/operations";
import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startOrigin, text, type Origin } from "./origin.ts";
import { startReplicas, type Replicas } from "./replicas.ts";

describeWithRedis("purges and invalidation of the cache", () => {
  let origin: Origin;
  let replicas: Replicas;
  const token = "purge-token";
  before(async () => {
    origin = await startOrigin();
    replicas = await startReplicas({ origin: origin.url, count: 3, purgeToken: token });
  });
  after(async () => {
    await replicas.close();
    await origin.close();
  });
  const cached = { "Cache-Control": "max-age=60" };
  const xCache = async (path: string, replica = 0) =>
    (await replicas.get(path, {}, replica)).headers["x-cache"];
  async function stored(path: string, fields: Record<string, string> = {}): Promise<void> {
    origin.on(path.split("?")[0]!, text({ ...cached, ...fields }));
    await replicas.get(path);
    expect(await xCache(path, 1)).to.equal("HIT");
  }
  const bearer = { Authorization: `Bearer ${token}` };

  describe("by operators", () => {
    it("a purge of a URL removes all its variants on every replica", async () => {
      origin.on("/url", (request, response) => {
        response.writeHead(200, { ...cached, Vary: "X-V" });
        response.end(request.headers["x-v"]);
      });
      for (const v of ["1", "2"]) await replicas.get("/url", { headers: { "X-V": v } });
      await stored("/url-other");
      expect(
        await purgeCache(replicas.operated, { kind: "url", url: "http://any.example/url" }, false),
      ).to.deep.equal({
        outcome: "purged",
        soft: false,
        held: true,
        removed: 1,
      });
      for (const v of ["1", "2"]) {
        expect((await replicas.get("/url", { headers: { "X-V": v } }, 2)).headers["x-cache"]).to.equal(
          "MISS",
        );
      }
      expect(await xCache("/url-other", 2)).to.equal("HIT");
    });
    it("a purge of a URL does not affect other queries", async () => {
      await stored("/q?a=1");
      await stored("/q?a=2");
      await purgeCache(replicas.operated, { kind: "url", url: "/q?a=1" }, false);
      expect([await xCache("/q?a=1"), await xCache("/q?a=2")]).to.deep.equal(["MISS", "HIT"]);
    });
    it("a purge of a prefix matches at segment ends only", async () => {
      for (const path of ["/pre", "/pre/a", "/pre/a/b", "/prefix"]) await stored(path);
      await purgeCache(replicas.operated, { kind: "url-prefix", url: "/pre" }, false);
      for (const path of ["/pre", "/pre/a", "/pre/a/b"]) expect(await xCache(path, 2), path).to.equal("MISS");
      expect(await xCache("/prefix", 2)).to.equal("HIT");
    });
    it("a purge of a tag removes the responses that carry it", async () => {
      await stored("/red", { "Surrogate-Key": "red round" });
      await stored("/blue", { "Cache-Tag": "blue,round" });
      await purgeCache(replicas.operated, { kind: "tag", tag: "red" }, false);
      expect([await xCache("/red"), await xCache("/blue")]).to.deep.equal(["MISS", "HIT"]);
      await purgeCache(replicas.operated, { kind: "tag", tag: "round" }, false);
      expect([await xCache("/red"), await xCache("/blue")]).to.deep.equal(["MISS", "MISS"]);
    });
    it("a purge selects a group, a service or everything", async () => {
      for (const target of [
        { kind: "group", service: "origin", group: "g 1" },
        { kind: "service", service: "origin" },
        { kind: "all" },
      ] as const) {
        await stored("/grouped", { "Cache-Groups": '"g 1"' });
        await purgeCache(replicas.operated, target, false);
        expect(await xCache("/grouped", 1), target.kind).to.equal("MISS");
      }
    });
    it("a softly purged response is validated, and reusable where a stale one is", async () => {
      origin.on("/soft", (request, response) => {
        response.setHeader("Cache-Control", "max-age=60, stale-while-revalidate=60");
        response.setHeader("ETag", '"s"');
        response.writeHead(request.headers["if-none-match"] === '"s"' ? 304 : 200);
        response.end(request.headers["if-none-match"] === '"s"' ? undefined : "soft");
      });
      await replicas.get("/soft");
      await purgeCache(replicas.operated, { kind: "url", url: "/soft" }, true);
      const got = await replicas.get("/soft", {}, 1);
      expect([got.headers["x-cache"], got.text]).to.deep.equal(["STALE", "soft"]);
      for (let i = 0; (await xCache("/soft", 2)) !== "HIT"; i++) expect(i).to.be.below(1000);
    });
    it("an acknowledged purge prevents the commit of a fetch in progress", async () => {
      for (const kind of ["url", "tag"] as const) {
        const path = `/inflight-${kind}`;
        const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
        const { promise: opened, resolve: open } = Promise.withResolvers<void>();
        origin.on(path, async (_, response) => {
          response.writeHead(200, { ...cached, "Cache-Tag": "inflight" });
          response.write("old");
          arrive();
          await opened;
          response.end();
        });
        const old = replicas.get(path);
        await arrived;
        const target = kind === "url" ? { kind, url: path } : { kind, tag: "inflight" };
        await purgeCache(replicas.operated, target, false);
        origin.on(path, text({ ...cached, "Cache-Tag": "inflight" }, "new"));
        // Asked after the purge: neither the store nor the flight under way may answer it, here or elsewhere.
        for (const replica of [0, 1]) expect((await replicas.get(path, {}, replica)).text).to.match(/^new/);
        open();
        expect((await old).text).to.equal("old");
        expect((await replicas.get(path, {}, 2)).text).to.match(/^new/);
      }
    });
    it("inspecting a URL shows what is stored, or why nothing is", async () => {
      await stored("/look", { "Cache-Tag": "seen", Vary: "X-V" });
      const [view] = (await showUrl(replicas.operated, "/look")) ?? [];
      expect(view).to.include({ service: "origin", notStored: null });
      expect(view?.variants[0]).to.include({
        status: 200,
        bytes: 6,
        isStale: false,
        lifetimeFrom: "max-age",
      });
      expect(view?.variants[0]?.tags).to.deep.equal(["seen"]);
      expect(view?.variants[0]?.varyNames).to.deep.equal(["x-v"]);
      origin.on("/look-private", text({ "Cache-Control": "private" }));
      await replicas.get("/look-private");
      // The marker is written behind the answer.
      for (let i = 0; ; i++) {
        const [hidden] = (await showUrl(replicas.operated, "/look-private")) ?? [];
        if (hidden?.notStored === "private") break;
        expect(i).to.be.below(1000);
      }
      expect(await showUrl(replicas.operated, "/never-seen")).to.deep.equal([]);
    });
  });

  describe("by PURGE", () => {
    it("PURGE without the token is refused", async () => {
      await stored("/guarded");
      for (const headers of [{}, { Authorization: "Bearer wrong" }, { Authorization: `Basic ${token}` }]) {
        const refused = await replicas.get("/guarded", { method: "PURGE", headers });
        expect(refused.status).to.equal(401);
      }
      expect(await xCache("/guarded")).to.equal("HIT");
      expect(origin.seen("/guarded").filter(({ method }) => method === "PURGE")).to.have.lengthOf(0);
    });
    it("PURGE that a page of another site asks for is refused, whatever its token", async () => {
      await stored("/held");
      for (const [fields, status] of [
        [{ "Sec-Fetch-Site": "cross-site", Origin: "https://evil.test" }, 403],
        [{ "Sec-Fetch-Site": "same-site" }, 403],
        [{ Origin: "https://evil.test" }, 403],
        [{ Origin: "null" }, 403],
      ] as const) {
        const headers = { ...bearer, ...fields };
        expect((await replicas.get("/held", { method: "PURGE", headers })).status).to.equal(status);
      }
      expect(await xCache("/held", 2)).to.equal("HIT");
      const own = { ...bearer, "Sec-Fetch-Site": "same-origin" };
      expect((await replicas.get("/held", { method: "PURGE", headers: own })).status).to.equal(200);
    });
    it("PURGE removes its URL, or makes it stale", async () => {
      await stored("/purged", { ETag: '"p"' });
      const done = await replicas.get("/purged", { method: "PURGE", headers: bearer }, 1);
      expect([done.status, JSON.parse(done.text)]).to.deep.equal([200, { purged: "key", soft: false }]);
      expect(await xCache("/purged", 2)).to.equal("MISS");
      await replicas.get("/purged", { method: "PURGE", headers: { ...bearer, "Sticky-Purge": "soft" } });
      expect((await replicas.get("/purged", {}, 2)).headers["cache-status"]).to.contain("fwd=stale");
    });
    it("PURGE is logged with its client, target and result", async () => {
      const lines = (result: string) =>
        replicas.logged.filter(
          ({ event, fields }) => event === "cache.purged" && fields["result"] === result,
        );
      await replicas.get("/told?a=1", { method: "PURGE", headers: bearer }, 1);
      const line = lines("purged").find(({ fields }) => fields["path"] === "/told");
      expect(line?.fields).to.include({ kind: "key", soft: false, service: "origin" });
      expect(line?.fields["client"]).to.be.a("string");
      expect(JSON.stringify(line)).to.not.contain(token).and.not.contain("a=1");
    });
    it("PURGE removes by tag", async () => {
      await stored("/tagged", { "Cache-Tag": "one" });
      await replicas.get("/", { method: "PURGE", headers: { ...bearer, "Cache-Tag": "zero, one" } });
      expect(await xCache("/tagged", 1)).to.equal("MISS");
    });
  });

  describe("by unsafe requests (RFC 9111 4.4)", () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "M-SEARCH"]) {
      it(`${method} drops its URI on every replica before its response is sent`, async () => {
        await stored("/changed");
        origin.on("/changed", (request, response, nth) => {
          if (request.method === "GET") return text(cached)(request, response, nth);
          response.writeHead(204);
          response.end();
        });
        const changed = await replicas.get("/changed", { method, body: method === "M-SEARCH" ? "" : "x" }, 1);
        expect(changed.headers["cache-status"]).to.equal("sticky; fwd=method");
        expect(await xCache("/changed", 2)).to.equal("MISS");
      });
    }
    it("an error response and a safe method invalidate nothing", async () => {
      await stored("/kept");
      origin.on("/kept", text({}, "no", 500));
      await replicas.get("/kept", { method: "POST", body: "x" });
      origin.on("/kept", text({}, "fine", 200));
      await replicas.get("/kept", { method: "OPTIONS" });
      expect(await xCache("/kept", 1)).to.equal("HIT");
    });
    it("Location and Content-Location are invalidated too, in every form of our origin", async () => {
      for (const [from, field, reference] of [
        ["/to-a", "Location", "/to-a"],
        ["/to-b", "Content-Location", "/to-b"],
        ["/to-c", "Location", `${origin.url}/to-c`],
        ["/to-d", "Location", "http://public.example/to-d"],
      ] as const) {
        await stored(from);
        origin.on("/poster", text({ [field]: reference }, "made", 201));
        await replicas.get("/poster", { method: "POST", body: "x" }, 1);
        expect(await xCache(from, 2), reference).to.equal("MISS");
      }
      await stored("/foreign");
      origin.on("/poster", text({ Location: "http://elsewhere.example/foreign" }, "made", 201));
      await replicas.get("/poster", { method: "POST", body: "x" });
      expect(await xCache("/foreign", 1)).to.equal("HIT");
    });
    it("a group named by Cache-Group-Invalidation becomes stale (RFC 9875)", async () => {
      await stored("/member", { "Cache-Groups": '"g"', ETag: '"m"' });
      origin.on("/changer", text({ "Cache-Group-Invalidation": '"g"' }));
      await replicas.get("/changer", { method: "POST", body: "x" }, 1);
      expect((await replicas.get("/member", {}, 2)).headers["cache-status"]).to.contain("fwd=stale");
    });
  });
});
