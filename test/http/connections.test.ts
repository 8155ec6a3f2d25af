/** What one connection carries: the order of its requests, either side's end, answers that come early (RFC 9112 9). */
import { FakeUpstream, RawClient, RawUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Server } from "node:net";

import { service, startGateway, type Gateway } from "./gateway.ts";

const get = (target: string): string => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
const post = (target: string): string => `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi`;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Resolves when `count` says the same in many turns of the event loop, each of which reads what there is to read. */
async function settled(count: () => number): Promise<number> {
  let seen = count();
  for (let turns = 0; turns < 100; turns += 1) {
    await turn();
    if (count() !== seen) [seen, turns] = [count(), 0];
  }
  return seen;
}

describe("a client's connection", () => {
  let upstream: FakeUpstream;
  let gateway: Gateway;

  beforeEach(async () => {
    upstream = await FakeUpstream.start();
    gateway = await startGateway({ services: [service(upstream.origin)] });
  });

  afterEach(async () => {
    await gateway.close();
    await upstream.close();
  });

  it("waits to be accepted in a queue as long as the configuration says", async () => {
    const { listen } = Server.prototype;
    const asked: unknown[] = [];
    Server.prototype.listen = function (this: Server, ...args: unknown[]) {
      asked.push(args[0]);
      return Reflect.apply(listen, this, args) as Server;
    } as typeof listen;
    let other: Gateway;
    try {
      other = await startGateway({ services: [service(upstream.origin)], limits: { listenBacklog: 77 } });
    } finally {
      Server.prototype.listen = listen;
    }
    await other.close();
    expect(asked[0]).to.include({ backlog: 77 });
  });

  describe("with several requests at once", () => {
    /** The order in which the service began and ended them. */
    async function orderOf(requests: string, count: number): Promise<string[]> {
      const events: string[] = [];
      upstream.respond(async ({ target }, response) => {
        events.push(`begin ${target}`);
        for (let i = 0; i < 20; i += 1) await turn(); // time for another to begin
        events.push(`end ${target}`);
        response.end(target);
      });
      const client = await RawClient.connect(gateway.port);
      client.send(requests);
      for (let i = 1; i <= count; i += 1) expect((await client.response()).body).to.equal(`/${i}`);
      client.close();
      return events;
    }

    it("safe ones run side by side, and are answered in their order", async () => {
      const last = Promise.withResolvers<void>();
      upstream.respond(async ({ target }, response) => {
        if (target === "/1") await last.promise;
        response.end(target, () => last.resolve());
      });
      const client = await RawClient.connect(gateway.port);
      client.send(get("/1") + get("/2"));
      for (const target of ["/1", "/2"]) expect((await client.response()).body).to.equal(target);
      client.close();
    });

    it("of very many only so many run side by side", async () => {
      const count = 200;
      const answer = Promise.withResolvers<void>();
      upstream.respond(async (_request, response) => {
        await answer.promise;
        response.end();
      });
      const client = await RawClient.connect(gateway.port);
      client.send(get("/").repeat(count));
      await upstream.arrived(64);
      expect(await settled(() => upstream.requests.length)).to.equal(64);
      answer.resolve();
      for (let i = 0; i < count; i += 1) expect((await client.response()).status).to.equal(200);
      client.close();
    });

    it("an unsafe one begins when all before it are answered", async () => {
      expect(await orderOf(get("/1") + post("/2"), 2)).to.deep.equal([
        "begin /1",
        "end /1",
        "begin /2",
        "end /2",
      ]);
    });

    it("nothing overtakes an unsafe one, even past a safe one that waits for it", async () => {
      const events = await orderOf(post("/1") + get("/2") + get("/3"), 3);
      expect(events.slice(0, 2)).to.deep.equal(["begin /1", "end /1"]);
    });

    it("none begins after one whose answer closes the connection", async () => {
      for (const refused of [
        "GET /1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /1 HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /1 HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
      ]) {
        const client = await RawClient.connect(gateway.port);
        client.send(refused + get("/2") + post("/3"));
        expect((await client.response()).headers.get("connection")).to.equal("close");
        expect(await client.rest()).to.equal("");
      }
      while (gateway.server.inFlight > 0) await turn();
      expect(upstream.requests).to.have.lengthOf(0);
      const client = await RawClient.connect(gateway.port);
      client.send("GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/2"));
      expect((await client.response()).body).to.equal("ok");
      while (gateway.server.inFlight > 0) await turn();
      expect(upstream.requests.map(({ target }) => target)).to.deep.equal(["/1"]);
    });

    it("those that wait are dropped when the connection ends", async () => {
      upstream.respond(() => undefined);
      const client = await RawClient.connect(gateway.port);
      client.send(post("/1") + post("/2") + get("/3"));
      await upstream.arrived();
      client.socket.resetAndDestroy();
      while (gateway.server.inFlight > 0) await turn();
      expect(upstream.requests.map(({ target }) => target)).to.deep.equal(["/1"]);
    });

    it("a client that sends on and on without an answer is not read from", async () => {
      let answer = (): void => undefined;
      upstream.respond((_request, response) => {
        answer = () => response.end();
      });
      const client = await RawClient.connect(gateway.port);
      const count = 6_000;
      client.send(post("/1"));
      await upstream.arrived();
      client.send(get("/a/../b").repeat(count));
      while (gateway.server.inFlight < 2) await turn();
      expect(await settled(() => gateway.server.inFlight)).to.be.below(count / 2);
      answer();
      expect((await client.response()).status).to.equal(200);
      for (let i = 0; i < count; i += 1) expect((await client.response()).status).to.equal(400);
      client.close();
    });
  });

  describe("whose client has closed its side", () => {
    async function halfClosed(bytes: string): Promise<RawClient> {
      const client = await RawClient.connect(gateway.port);
      client.socket.allowHalfOpen = true;
      client.socket.end(bytes, "latin1");
      return client;
    }

    it("carries the answers to all that was asked, the last one saying close", async () => {
      upstream.respond(({ target }, response) => void setTimeout(() => response.end(target), 30));
      for (const head of [
        get("/1"),
        post("/1"),
        "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "GET /1 HTTP/1.0\r\n\r\n",
      ]) {
        const client = await halfClosed(head);
        const response = await client.response();
        expect(response.body).to.equal("/1");
        expect(response.headers.get("connection")).to.equal("close");
        await client.closed();
      }
      const client = await halfClosed(get("/1") + post("/2") + get("/3"));
      for (const target of ["/1", "/2", "/3"]) expect((await client.response()).body).to.equal(target);
      await client.closed();
    });

    it("is closed at once when nothing is due", async () => {
      const client = await RawClient.connect(gateway.port);
      client.socket.allowHalfOpen = true;
      client.send(get("/1"));
      expect((await client.response()).status).to.equal(200);
      client.socket.end();
      await client.closed();
    });

    it("gets 400 for a request that is not whole", async () => {
      for (const part of [post("/1").slice(0, -1), get("/1").slice(0, -2), "GET /1 HT"]) {
        const client = await halfClosed(part);
        expect((await client.response()).status).to.equal(400);
        await client.closed();
      }
      expect(upstream.requests.filter(({ ended }) => ended)).to.have.lengthOf(0);
    });

    it("is asked by an interim response whether anybody is there, and goes on when somebody is", async () => {
      let answer = (): void => undefined;
      upstream.respond((_request, response) => {
        answer = () => response.end("late");
      });
      const client = await halfClosed(get("/1"));
      expect((await client.response()).status).to.equal(100);
      expect((await client.response()).status).to.equal(100);
      answer();
      expect((await client.response()).body).to.equal("late");
      await client.closed();
    });

    it("is given up in the middle of a response that stands still", async () => {
      upstream.respond((_request, response) => response.write("part"));
      const client = await RawClient.connect(gateway.port);
      client.send(get("/1"));
      while (!client.pending.includes("part")) await turn();
      client.close();
      while (!upstream.last.aborted) await turn();
    });

    it("is given up when nobody is there, and with it the service's safe request", async () => {
      upstream.respond(() => undefined);
      const client = await RawClient.connect(gateway.port);
      client.send(get("/1"));
      await upstream.arrived();
      client.close();
      while (!upstream.last.aborted) await turn();
      while (gateway.server.inFlight > 0) await turn();
    });
  });

  it("an unsafe request that is whole is let finish when its client leaves", async () => {
    let answer = (): void => undefined;
    upstream.respond((_request, response) => {
      answer = () => response.end();
    });
    const client = await RawClient.connect(gateway.port);
    client.send(post("/1"));
    await upstream.arrived();
    while (!upstream.last.ended) await turn();
    client.socket.resetAndDestroy();
    while (gateway.server.inFlight > 0) await turn();
    answer();
    while (upstream.last.endedAs === 0) await turn();
    expect(upstream.last.aborted).to.equal(false);
  });

  it("carries the head of a response before the first byte of its body", async () => {
    let end = (): void => undefined;
    upstream.respond((_request, response) => {
      response.setHeader("Content-Type", "text/event-stream");
      response.flushHeaders();
      end = () => response.end("data: x\n\n");
    });
    const client = await RawClient.connect(gateway.port);
    client.send(get("/events"));
    while (!client.pending.includes("\r\n\r\n")) await turn();
    end();
    expect((await client.response()).body).to.equal("data: x\n\n");
    client.close();
  });

  it("carries another request after an answer that came before the upload's end", async () => {
    const early = await RawUpstream.start(({ socket, received }) => {
      const body = received.lastIndexOf("POST /") > received.lastIndexOf("GET /") ? "early" : "next";
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    });
    const before = await startGateway({ services: [service(early.origin)] });
    for (const [framing, first, rest] of [
      ["Content-Length: 200000", "hello", "x".repeat(199_995)],
      ["Transfer-Encoding: chunked", "5\r\nhello\r\n", `400\r\n${"x".repeat(1_024)}\r\n0\r\n\r\n`],
    ] as const) {
      const client = await RawClient.connect(before.port);
      client.send(`POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n${first}`);
      expect((await client.response()).body).to.equal("early");
      client.send(rest + get("/2"));
      expect((await client.response()).body).to.equal("next");
      client.close();
    }
    await before.close();
    await early.close();
  });

  it("is closed after such an answer when the upload does not end", async () => {
    const early = await RawUpstream.start(
      ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"),
    );
    const before = await startGateway({ services: [service(early.origin)] });
    const client = await RawClient.connect(before.port);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\nhello");
    expect((await client.response()).body).to.equal("no");
    await client.closed();
    await before.close();
    await early.close();
  });
});
