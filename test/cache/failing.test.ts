import { describeWithRedis, startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startOrigin, text, type Origin } from "./origin.ts";
import { startReplicas, type Replicas } from "./replicas.ts";

describeWithRedis("when something fails", () => {
  let origin: Origin;
  before(async () => {
    origin = await startOrigin();
  });
  after(() => origin.close());

  describe("the service", () => {
    let safe: Replicas;
    let conformance: Replicas;
    before(async () => {
      safe = await startReplicas({ origin: origin.url });
      conformance = await startReplicas({ origin: origin.url, policy: { profile: "conformance" } });
    });
    after(async () => {
      await safe.close();
      await conformance.close();
    });
    async function second(
      replicas: Replicas,
      path: string,
      control: string,
      fail: Parameters<Origin["on"]>[1],
    ) {
      origin.on(path, (request, response, nth) =>
        nth === 1 ? text({ "Cache-Control": control })(request, response, nth) : fail(request, response, nth),
      );
      await replicas.get(path);
      const got = await replicas.get(path);
      return [got.status, got.headers["x-cache"]];
    }
    const garbage: Parameters<Origin["on"]>[1] = (request) => void request.socket.end("no HTTP\r\n\r\n");
    const swr = "max-age=0, stale-if-error=60";

    it("stale-if-error serves the stored response for 500, 502, 503, 504 and no response", async () => {
      for (const status of [500, 502, 503, 504]) {
        expect(await second(safe, `/e${status}`, swr, text({}, "error", status))).to.deep.equal([
          200,
          "STALE",
        ]);
      }
      expect(await second(safe, "/e", swr, garbage)).to.deep.equal([200, "STALE"]);
    });
    it("stale-if-error passes every other error status to the client", async () => {
      for (const status of [400, 401, 403, 404, 409, 410, 422, 429, 451, 501, 505, 507, 599]) {
        const got = await second(safe, `/e${status}`, swr, text({}, "error", status));
        expect(got, String(status)).to.deep.equal([status, "MISS"]);
      }
    });
    it("must-revalidate prohibits a stale response when the service fails", async () => {
      const control = `${swr}, must-revalidate`;
      expect(await second(safe, "/e-must", control, text({}, "error", 503))).to.deep.equal([503, "MISS"]);
    });
    it("a required validation that fails is a 504 (RFC 9111 5.2.2.2)", async () => {
      const words = ["must-revalidate", "proxy-revalidate", "s-maxage=0", "no-cache"];
      for (const replicas of [safe, conformance]) {
        for (const word of words) {
          const path = `/cannot-${word}`;
          origin.on(path, text({ "Cache-Control": `max-age=0, stale-if-error=60, ${word}`, ETag: '"1"' }));
          await replicas.get(path);
          origin.on(path, garbage);
          const got = await replicas.get(path);
          expect([got.status, got.headers["cache-status"]], word).to.deep.equal([504, undefined]);
          expect(got.headers["proxy-status"], word).to.match(/error=/);
          expect((await replicas.get(path, { method: "HEAD" })).status, word).to.equal(504);
        }
      }
    });
    it("Cache-Status says fwd for a masked error status and hit for a masked lack of response", async () => {
      origin.on("/told", (request, response, nth) =>
        nth === 1
          ? text({ "Cache-Control": swr })(request, response, nth)
          : nth === 2
            ? text({}, "error", 503)(request, response, nth)
            : garbage(request, response, nth),
      );
      await safe.get("/told");
      const status = async () => String((await safe.get("/told")).headers["cache-status"]);
      expect(await status()).to.match(/^sticky; fwd=stale; fwd-status=503; ttl=-\d; detail=stale-if-error$/);
      expect(await status()).to.match(/^sticky; hit; ttl=-\d; detail=stale-if-error$/);
    });
    it("only the conformance profile serves stale without stale-if-error (RFC 9111 4.2.4, 4.3.3)", async () => {
      const control = "max-age=0, stale-while-revalidate=0";
      expect((await second(safe, "/p1", control, garbage))[0]).to.equal(502);
      expect(await second(conformance, "/p2", control, garbage)).to.deep.equal([200, "STALE"]);
      const down = text({}, "error", 503);
      expect(await second(safe, "/p6", control, down)).to.deep.equal([503, "MISS"]);
      expect(await second(conformance, "/p3", control, down)).to.deep.equal([200, "STALE"]);
      const named = "max-age=0, stale-if-error=0"; // a window that was named is the limit
      expect(await second(conformance, "/p4", named, down)).to.deep.equal([503, "MISS"]);
      expect((await second(conformance, "/p5", named, garbage))[0]).to.equal(502);
    });
    it("an error response to a validation keeps the stored response", async () => {
      origin.on("/stays", (request, response, nth) => {
        if (nth === 2) return text({}, "error", 503)(request, response, nth);
        response.setHeader("Cache-Control", "no-cache");
        response.setHeader("ETag", '"s"');
        response.writeHead(request.headers["if-none-match"] === '"s"' ? 304 : 200);
        response.end(request.headers["if-none-match"] === '"s"' ? undefined : "stays");
      });
      await safe.get("/stays");
      expect((await safe.get("/stays")).status).to.equal(503);
      const third = await safe.get("/stays");
      expect([third.headers["x-cache"], third.text]).to.deep.equal(["REVALIDATED", "stays"]);
    });
  });

  describe("Redis", () => {
    let redis: TestRedis;
    let replicas: Replicas;
    before(async () => {
      redis = await startRedis({ args: ["--appendonly", "no"] });
      const options = {
        origin: origin.url,
        redisUrl: redis.url,
        count: 2,
        silenceMs: 50,
        purgeToken: "token",
      };
      replicas = await startReplicas(options);
    });
    after(async () => {
      redis.resume();
      await replicas.close();
      await redis.stop();
    });

    it("requests are forwarded while Redis is paused, and cached again afterwards", async () => {
      origin.on("/open", text({ "Cache-Control": "max-age=600" }));
      await replicas.get("/open");
      redis.pause();
      for (let i = 0; i < 8; i++) {
        const got = await replicas.get("/open", {}, i);
        expect([got.status, got.headers["x-cache"]]).to.deep.equal([200, "MISS"]);
      }
      const many = await Promise.all(Array.from({ length: 50 }, (_, i) => replicas.get("/open", {}, i)));
      expect(new Set(many.map(({ status }) => status))).to.deep.equal(new Set([200]));
      expect(replicas.storeErrors).to.include("lookup");
      redis.resume();
      for (let i = 0; (await replicas.get("/open")).headers["x-cache"] !== "HIT"; i++) {
        await new Promise((resolve) => setTimeout(resolve, 20)); // the breaker's pause is real time
        expect(i).to.be.below(300);
      }
    }).timeout(20_000);

    it("a response is not reused until its invalidation, missed while Redis was paused, is done", async () => {
      origin.on("/owed", text({ "Cache-Control": "max-age=600" }));
      await replicas.get("/owed");
      for (let i = 0; (await replicas.get("/owed")).headers["x-cache"] !== "HIT"; i++)
        expect(i).to.be.below(100);
      redis.pause();
      origin.on("/owed", text({ "Cache-Control": "max-age=600" }, "changed"));
      expect((await replicas.get("/owed", { method: "POST", body: "x" })).status).to.equal(200);
      redis.resume();
      for (let i = 0; i < 20; i++) expect((await replicas.get("/owed")).text).to.match(/^changed/);
    }).timeout(20_000);

    it("an unacknowledged purge while Redis is paused is a 503, and is logged as such", async () => {
      redis.pause();
      const purge = { method: "PURGE", headers: { Authorization: "Bearer token" } };
      const { status, headers } = await replicas.get("/unpurged", purge);
      redis.resume();
      expect([status, headers["retry-after"]]).to.deep.equal([503, "1"]);
      const line = replicas.logged.find(({ event }) => event === "cache.purged");
      expect(line?.fields).to.include({ result: "incomplete", path: "/unpurged", kind: "key" });
    }).timeout(20_000);

    it("requests get no error after Redis is killed", async () => {
      origin.on("/killed", text({ "Cache-Control": "max-age=600" }));
      await replicas.get("/killed");
      await redis.kill();
      for (let i = 0; i < 5; i++) expect((await replicas.get("/killed", {}, i)).status).to.equal(200);
      await redis.restart();
      for (let i = 0; (await replicas.get("/killed")).headers["x-cache"] !== "HIT"; i++) {
        await new Promise((resolve) => setTimeout(resolve, 20)); // reconnecting is real time
        expect(i).to.be.below(300);
      }
    }).timeout(20_000);
  });
});
