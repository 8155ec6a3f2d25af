import { expect } from "chai";
import type { ProxyDeps, RequestObserved } from "../deps.ts";
import { accessLog } from "./access-log.ts";
import { testContext, testHead, testState } from "./testing.ts";

type Fields = Readonly<Record<string, unknown>>;

/** The access line and the observation of one request whose response ends as `end` says. */
async function logged(
  end: { headersSent: boolean; statusCode: number; writableFinished: boolean },
  { isOn = true, over = {} }: { isOn?: boolean; over?: Parameters<typeof testState>[0] } = {},
) {
  const lines: (readonly [string, Fields])[] = [];
  const observed: RequestObserved[] = [];
  const log = { isOn: () => isOn, info: (event: string, fields: Fields) => lines.push([event, fields]) };
  const { ctx, res, socket } = testContext(testState(over));
  socket.bytesWritten = 100; // an earlier response of the same connection
  const step = accessLog({
    log,
    onRequest: (one: RequestObserved) => observed.push(one),
  } as unknown as ProxyDeps);
  await step(ctx, async () => {
    ctx.state.logFields["processId"] = "p1";
    ctx.state.reply = { status: 201, headers: [], body: null };
    socket.bytesWritten += 42;
  });
  expect([lines, observed]).to.deep.equal([[], []]);
  Object.assign(res, end);
  res.emit("close");
  return { line: lines[0]?.[1], lines, observed: observed[0]! };
}

describe("the access log", () => {
  const complete = { headersSent: true, statusCode: 201, writableFinished: true };
  for (const { what, end, line, status } of [
    { what: "a complete response", end: complete, line: { status: 201 }, status: 201 },
    {
      what: "a response that the client broke off",
      end: { ...complete, writableFinished: false },
      line: { status: 201, cut: true },
      status: 201,
    },
    {
      what: "a client that left before a response began",
      end: { headersSent: false, statusCode: 200, writableFinished: false },
      line: { status: null, cut: true },
      status: null,
    },
  ]) {
    it(`writes one line for ${what}, when it has ended`, async () => {
      const { line: written, lines, observed } = await logged(end);
      const { durationMs, ...rest } = written!; // what its service made of it: test/http/access-line.test.ts
      expect(durationMs).to.be.a("number");
      expect(lines).to.have.length(1);
      expect(rest).to.deep.equal({
        requestId: "r1",
        traceId: null,
        client: "192.0.2.1",
        method: "POST",
        path: "/charges",
        service: "payments",
        route: "r",
        bytesIn: 0,
        bytesOut: 42,
        instance: null,
        attempts: 0,
        processId: "p1",
        ...line,
      });
      expect(observed.status).to.equal(status);
    });
  }

  it("leaves the query of the request out", async () => {
    const { line } = await logged(complete, { over: { head: testHead({ query: "token=secret" }) } });
    expect(JSON.stringify(line)).to.not.include("secret");
  });

  for (const { what, over, bytes } of [
    { what: "the bytes that were read", over: { bodyLength: 7, declaredLength: 9 }, bytes: 7 },
    { what: "else the declared length", over: { declaredLength: 9 }, bytes: 9 },
    { what: "nothing for a stream of unknown length", over: {}, bytes: null },
  ]) {
    it(`observes as the request's size ${what}`, async () => {
      expect((await logged(complete, { over })).observed.requestBytes).to.equal(bytes);
    });
  }

  it("observes the response's own bytes, also where no line is written", async () => {
    const { lines, observed } = await logged(complete, { isOn: false });
    expect(lines).to.deep.equal([]);
    expect(observed.responseBytes).to.equal(42);
  });

  it("names neither service nor route of a request that matched none", async () => {
    const { line } = await logged(complete, { over: { service: null, route: null } });
    expect(line).to.include({ service: null, route: null });
  });
});
