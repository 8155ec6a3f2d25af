import { describeWithRedis } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startOrigin, text, type Origin } from "./origin.ts";
import { startReplicas, type Got, type Replicas } from "./replicas.ts";

describeWithRedis("collapsed forwarding", () => {
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

  /** Holds every answer of a path until released; tells how many requests have come. */
  function gate(path: string, answer: Parameters<Origin["on"]>[1]) {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    let arrived = 0;
    let wanted: { count: number; resolve: () => void } | null = null;
    origin.on(path, async (request, response, nth) => {
      arrived++;
      if (wanted !== null && arrived >= wanted.count) wanted.resolve();
      await opened;
      await answer(request, response, nth);
    });
    return {
      open,
      arrivals: (count: number) =>
        new Promise<void>((resolve) => {
          if (arrived >= count) resolve();
          else wanted = { count, resolve };
        }),
    };
  }
  const burst = (path: string, count: number, headers: Record<string, string> = {}): Promise<Got[]> =>
    Promise.all(Array.from({ length: count }, (_, i) => replicas.get(path, { headers }, i)));

  it("100 concurrent requests over three replicas without a stored response are one request to the service", async () => {
    origin.on("/cold", async (_, response) => {
      response.setHeader("Cache-Control", "max-age=60");
      await new Promise((resolve) => setTimeout(resolve, 100)); // the service's own time, so that all of them come meanwhile
      response.end("one for all");
    });
    const answers = await burst("/cold", 100);
    expect(new Set(answers.map((got) => `${got.status} ${got.text}`))).to.deep.equal(
      new Set(["200 one for all"]),
    );
    expect(origin.seen("/cold")).to.have.lengthOf(1);
  });

  for (const { what, method, headers, status } of [
    { what: "conditions", method: "GET", headers: { "If-None-Match": '"v"' }, status: [304] },
    { what: "heads", method: "HEAD", headers: {}, status: [200] },
    // Who comes when it is stored gets it as the range it asked for.
    { what: "ranges of the whole", method: "GET", headers: { Range: "bytes=0-" }, status: [200, 206] },
  ]) {
    it(`60 concurrent ${what} on a cold key over three replicas are one GET without them, and fill the cache`, async () => {
      const path = `/herd-${method}-${status[0]}`;
      const door = gate(path, (_, response) => {
        response.writeHead(200, { "Cache-Control": "max-age=60", ETag: '"v"' });
        response.end("page");
      });
      const answers = Promise.all(
        Array.from({ length: 60 }, (_, i) => replicas.get(path, { method, headers }, i)),
      );
      await door.arrivals(1);
      door.open();
      for (const got of await answers) expect(got.status).to.be.oneOf(status);
      const [seen, ...more] = origin.seen(path);
      expect([
        seen!.method,
        seen!.headers["if-none-match"],
        seen!.headers["range"],
        more.length,
      ]).to.deep.equal(["GET", undefined, undefined, 0]);
      expect((await replicas.get(path)).headers["x-cache"]).to.equal("HIT");
    });
  }

  it("60 concurrent requests that the service answers with 500 share one answer, and so do those of the next second", async () => {
    const door = gate("/sick", (_, response) => {
      response.writeHead(500, { "Content-Type": "text/plain" });
      response.end("ill");
    });
    const answers = burst("/sick", 60);
    await door.arrivals(1);
    door.open();
    for (const got of await answers) expect(`${got.status} ${got.text}`).to.equal("500 ill");
    expect(origin.seen("/sick").length, "one a replica at most").to.be.at.most(3);
    const before = origin.seen("/sick").length;
    await Promise.all(Array.from({ length: 9 }, (_, i) => replicas.get("/sick", {}, i % 3)));
    expect(origin.seen("/sick").length - before).to.be.at.most(3);
  });

  it("a server error that sets a cookie, or answers a credential, is nobody else's", async () => {
    const door = gate("/sick-cookie", (_, response, nth) => {
      response.writeHead(500, { "Set-Cookie": `n=${nth}` });
      response.end(String(nth));
    });
    const answers = burst("/sick-cookie", 6);
    await door.arrivals(1);
    door.open();
    const cookies = (await answers).map((got) => String(got.headers["set-cookie"]));
    expect(new Set(cookies).size).to.equal(6);
    origin.on("/sick-private", (_, response) => void response.writeHead(500).end("x"));
    await Promise.all(
      Array.from({ length: 6 }, (_, i) =>
        replicas.get("/sick-private", { headers: { Authorization: `Bearer ${i}` } }, i),
      ),
    );
    expect(origin.seen("/sick-private")).to.have.lengthOf(6);
  });

  it("collapsed requests read a large body without Content-Length while it arrives", async () => {
    const body = Buffer.alloc(700_000, "growing ");
    const { promise: half, resolve: goOn } = Promise.withResolvers<void>();
    origin.on("/growing", async (_, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60" });
      response.write(body.subarray(0, 300_000));
      await half;
      response.end(body.subarray(300_000));
    });
    const waiting = burst("/growing", 12);
    setTimeout(goOn, 150);
    for (const got of await waiting) expect(got.body.equals(body)).to.equal(true);
    expect(origin.seen("/growing")).to.have.lengthOf(1);
  });

  it("100 requests for a response that must not be stored are not serialised", async () => {
    const door = gate("/no-store", text({ "Cache-Control": "no-store" }));
    const answers = burst("/no-store", 100);
    await door.arrivals(1);
    door.open();
    const texts = (await answers).map((got) => got.text);
    expect(new Set(texts).size).to.equal(100);

    // The next burst is kept apart from its start: all of them reach the service before any is answered.
    const second = gate("/no-store", text({ "Cache-Control": "no-store" }));
    const again = burst("/no-store", 100);
    await second.arrivals(100);
    second.open();
    await again;
  });

  for (const control of ["no-cache", "max-age=0"]) {
    it(`a burst validates a response stored with ${control} without collapsing`, async () => {
      const path = `/always-${control}`;
      const fields = { "Cache-Control": control, ETag: '"x"' };
      origin.on(path, text(fields));
      await replicas.get(path);
      const door = gate(path, (_, response) => void response.writeHead(304, fields).end());
      const answers = burst(path, 30);
      await door.arrivals(30);
      door.open();
      for (const got of await answers)
        expect([got.headers["x-cache"], got.text]).to.deep.equal(["REVALIDATED", "body 1"]);
    });
  }

  for (const [what, headers] of [
    ["private", { "Cache-Control": "private, max-age=60" }],
    ["Set-Cookie", { "Cache-Control": "max-age=60", "Set-Cookie": "session=secret" }],
    ["Vary: *", { "Cache-Control": "max-age=60", Vary: "*" }],
    ["no-cache", { "Cache-Control": "no-cache", ETag: '"x"' }],
  ] as const) {
    it(`${what}: each client gets its own response`, async () => {
      const path = `/apart-${what.replace(/\W/g, "")}`;
      const door = gate(path, text(headers));
      const answers = burst(path, 9);
      await door.arrivals(1);
      door.open();
      const texts = (await answers).map((got) => got.text);
      expect(new Set(texts).size).to.equal(9);
    });
  }

  it("a request for another variant than the one being fetched is forwarded", async () => {
    const door = gate("/variants", (request, response) => {
      response.writeHead(200, { "Cache-Control": "max-age=60", Vary: "Accept-Language" });
      response.end(request.headers["accept-language"]);
    });
    const answers = Promise.all(
      ["de", "en", "fr", "de"].map(async (language, i) => {
        const got = await replicas.get("/variants", { headers: { "Accept-Language": language } }, i);
        return [language, got.text];
      }),
    );
    await door.arrivals(1);
    door.open();
    for (const [asked, got] of await answers) expect(got).to.equal(asked);
  });

  it("a slow older response does not replace a newer stored one", async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    origin.on("/overtaken", async (_, response, nth) => {
      response.writeHead(200, { "Cache-Control": "max-age=60" });
      response.write(`body ${nth}`);
      begin();
      if (nth === 1) await opened;
      response.end();
    });
    const slow = replicas.get("/overtaken");
    await begun;
    const reload = await replicas.get("/overtaken", { headers: { "Cache-Control": "no-cache" } }, 1);
    expect(reload.text, "whoever reloads does not wait for what was asked before").to.equal("body 2");
    open();
    expect((await slow).text).to.equal("body 1");
    for (const replica of [0, 1, 2]) {
      const got = await replicas.get("/overtaken", {}, replica);
      expect([got.text, got.headers["x-cache"]]).to.deep.equal(["body 2", "HIT"]);
    }
  });

  it("requests with credentials are not collapsed", async () => {
    const door = gate("/cookies", text({ "Cache-Control": "no-store" }));
    const answers = burst("/cookies", 6, { Cookie: "session=1" });
    await door.arrivals(6);
    door.open();
    await answers;
  });

  it("the fetch goes on when its first client leaves", async () => {
    const door = gate("/leaves", text({ "Cache-Control": "max-age=60" }));
    const { request } = await import("node:http");
    const leaver = request({ port: replicas.ports[0], host: "127.0.0.1", path: "/leaves", agent: false });
    leaver.on("error", () => {});
    leaver.end();
    await door.arrivals(1);
    const waiting = replicas.get("/leaves", {}, 0);
    leaver.destroy();
    door.open();
    expect((await waiting).text).to.equal("body 1");
    expect(origin.seen("/leaves")).to.have.lengthOf(1);
  });

  it("one collapsed request retries a failed fetch, and all get its response", async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    origin.on("/fails", async (request, response, nth) => {
      if (nth > 1) return text({ "Cache-Control": "max-age=60" })(request, response, nth);
      await opened;
      return void request.socket.end("this is not HTTP\r\n\r\n"); // an answer of a kind: the forwarder does not repeat it
    });
    const answers = Promise.all(Array.from({ length: 5 }, () => replicas.get("/fails", {}, 0)));
    setTimeout(open, 100);
    const statuses = (await answers).map(({ status }) => status).toSorted();
    expect(statuses).to.deep.equal([200, 200, 200, 200, 502]);
    expect(origin.seen("/fails")).to.have.lengthOf(2);
  });

  it("stale responses start one background revalidation in the whole cluster", async () => {
    const { promise: opened, resolve: open } = Promise.withResolvers<void>();
    origin.on("/swr", async (_, response, nth) => {
      if (nth === 2) await opened;
      const control = nth === 1 ? "max-age=0, stale-while-revalidate=60" : "max-age=60";
      text({ "Cache-Control": control })(_, response, nth);
    });
    await replicas.get("/swr", {}, 0);
    const stale = await burst("/swr", 30);
    expect(new Set(stale.map((got) => `${String(got.headers["x-cache"])} ${got.text}`))).to.deep.equal(
      new Set(["STALE body 1"]),
    );
    expect(stale[0]!.headers["cache-status"]).to.match(
      /^sticky; hit; ttl=-\d+; detail=stale-while-revalidate$/,
    );
    open();
    for (let i = 0; (await replicas.get("/swr", {}, 1)).text !== "body 2"; i++) expect(i).to.be.below(1000);
    expect(origin.seen("/swr")).to.have.lengthOf(2);
  });
  it("after the wait for another replica times out, one fetch serves all requests of the node", async () => {
    let later = 0;
    const two = await startReplicas({
      origin: origin.url,
      count: 2,
      monotonic: () => performance.now() + later,
    });
    try {
      const door = gate("/late", text({ "Cache-Control": "max-age=60" }));
      const first = two.get("/late", {}, 0);
      await door.arrivals(1);
      const store = two.stores[1]!;
      const { watch } = store;
      const waits = new Promise<void>((resolve) => {
        store.watch = (...args) => {
          resolve();
          return watch(...args);
        };
      });
      const waiting = Array.from({ length: 20 }, () => two.get("/late", {}, 1));
      await waits;
      later = 11_000;
      await door.arrivals(2);
      door.open();
      const texts = (await Promise.all([first, ...waiting])).map((got) => got.text);
      expect(new Set(texts)).to.deep.equal(new Set(["body 1", "body 2"]));
      expect(origin.seen("/late")).to.have.lengthOf(2);
    } finally {
      await two.close();
    }
  });
  it("a failed background revalidation is not repeated with each stale response", async () => {
    origin.on("/swr-fails", (request, response, nth) =>
      nth === 1
        ? text({ "Cache-Control": "max-age=0, stale-while-revalidate=60" })(request, response, nth)
        : text({}, "down", 503)(request, response, nth),
    );
    await replicas.get("/swr-fails");
    for (let i = 0; i < 60; i++) {
      const got = await replicas.get("/swr-fails");
      expect([got.headers["x-cache"], got.text]).to.deep.equal(["STALE", "body 1"]);
    }
    // One a second: no bound on how long 60 requests take is needed, only that most of them asked nothing.
    expect(origin.seen("/swr-fails").length).to.be.within(2, 15);
  });
  it("a HEAD answered with a stale response starts a background GET", async () => {
    origin.on("/swr-head", (request, response, nth) => {
      const control = nth === 1 ? "max-age=0, stale-while-revalidate=60" : "max-age=60";
      text({ "Cache-Control": control })(request, response, nth);
    });
    await replicas.get("/swr-head", {}, 0);
    expect((await replicas.get("/swr-head", { method: "HEAD" }, 0)).headers["x-cache"]).to.equal("STALE");
    const fetched = async () => (await replicas.get("/swr-head", { method: "HEAD" }, 0)).headers["x-cache"];
    for (let i = 0; (await fetched()) !== "HIT"; i++) expect(i).to.be.below(1000);
    expect((await replicas.get("/swr-head", {}, 0)).text).to.equal("body 2");
    expect(origin.seen("/swr-head").map(({ method }) => method)).to.deep.equal(["GET", "GET"]);
  });
});
