import { once } from "node:events";
import { createServer, request, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import type { ProxyDeps } from "../deps.ts";
import type { Reply } from "../reply.ts";
import type { ProxyContext } from "../state.ts";
import { testHead } from "./testing.ts";
import { write } from "./write.ts";

interface Case {
  readonly what: string;
  readonly reply: Reply | null;
  readonly draining?: boolean;
  readonly httpVersion?: "1.0" | "1.1";
  readonly awaitsContinue?: boolean;
  readonly status?: number;
  readonly body?: string;
  readonly connection?: string;
}

const plain: Reply = { status: 200, headers: [["X-A", "b"]], body: Buffer.from("hello") };

describe("the step that writes the reply", () => {
  const cases: Case[] = [
    { what: "writes bytes and keeps the connection", reply: plain },
    {
      what: "writes a stream",
      reply: { ...plain, body: Readable.from(["hel", "lo"], { objectMode: false }) },
    },
    {
      what: "closes the connection when the reply says so",
      reply: { ...plain, close: true },
      connection: "close",
    },
    {
      what: "closes the connection while the node drains",
      reply: plain,
      draining: true,
      connection: "close",
    },
    {
      what: "closes the connection of an HTTP/1.0 client",
      reply: plain,
      httpVersion: "1.0",
      connection: "close",
    },
    {
      what: "closes the connection of a client that still waits for 100",
      reply: plain,
      awaitsContinue: true,
      connection: "close",
    },
    {
      what: "answers internal-error when a field cannot be written",
      reply: { ...plain, headers: [["X-A", "a\nb"]] },
      status: 500,
    },
    { what: "answers internal-error when no step has answered", reply: null, status: 500 },
  ];
  for (const { what, reply, draining, httpVersion, awaitsContinue, status, body, connection } of cases) {
    it(what, async () => {
      const answer = await exchange(reply, { draining, httpVersion, awaitsContinue });
      expect(answer.statusCode).to.equal(status ?? 200);
      expect(answer.headers["x-request-id"]).to.equal("r1");
      expect(answer.headers.connection).to.equal(connection ?? "keep-alive");
      const received = await text(answer);
      if (status === 500) expect(received).to.include("internal-error");
      else expect(received).to.equal(body ?? "hello");
    });
  }

  it("sends the trailers of the reply after its body", async () => {
    const body = Readable.from(["hello"], { objectMode: false });
    const answer = await exchange(
      { ...plain, headers: [], body, trailers: () => [["Server-Timing", "1"]] },
      {},
    );
    await text(answer);
    expect(answer.trailers).to.deep.equal({ "server-timing": "1" });
  });
});

async function exchange(
  reply: Reply | null,
  options: {
    draining?: boolean | undefined;
    httpVersion?: "1.0" | "1.1" | undefined;
    awaitsContinue?: boolean | undefined;
  },
): Promise<IncomingMessage> {
  const deps = {
    log: { error: () => undefined },
    settings: { pseudonym: "gateway", limits: { writeIdleMs: 1000 } },
  } as unknown as ProxyDeps;
  const step = write(deps, { draining: options.draining ?? false });
  const server = createServer((req, res) => {
    const state = {
      head: testHead(),
      requestId: "r1",
      service: null,
      logFields: {},
      reply: null as Reply | null,
      client: { httpVersion: options.httpVersion ?? "1.1" },
      hasBody: false,
      awaitsContinue: () => options.awaitsContinue ?? false,
    };
    void step({ state, req, res } as unknown as ProxyContext, () => {
      state.reply = reply;
      return Promise.resolve();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sent = request({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" });
  sent.end();
  const [answer] = (await once(sent, "response")) as [IncomingMessage];
  answer.once("close", () => {
    server.close();
    server.closeAllConnections();
  });
  return answer;
}
