/** The world of a step's unit test: the state that the steps before it leave, and the Koa context around it. */
import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import type { RequestHead } from "@sticky-proxy/core/http";
import { nobody } from "@sticky-proxy/core/principal";
import { testRoute, testService } from "@sticky-proxy/core/testing";
import type { Problem } from "@sticky-proxy/protocol";
import type { Middleware, ProxyContext, ProxyState } from "../state.ts";

export function testHead(over: Partial<RequestHead> = {}): RequestHead {
  return { method: "POST", path: "/charges", query: null, headers: [], ...over };
}

/** A POST without a body to the service `payments` and its route `r`. */
export function testState(over: Partial<ProxyState> = {}): ProxyState {
  const route = over.route === undefined ? testRoute() : over.route;
  const head = over.head ?? testHead();
  return {
    requestId: "r1",
    head,
    serviceHead: head,
    receivedPath: head.path,
    host: "h",
    client: {
      address: "192.0.2.1",
      peer: "192.0.2.1",
      holder: "address:192.0.2.1",
      protocol: "http",
      host: "h",
      httpVersion: "1.1",
    },
    certificate: null,
    declaredLength: null,
    hasBody: false,
    expectsContinue: false,
    gone: new AbortController().signal,
    trace: [],
    traceparent: "",
    service: testService(route === null ? {} : { routes: [route] }),
    route,
    room: null,
    standing: null,
    principal: nobody,
    proof: { kind: "absent" },
    options: null,
    verdict: null,
    body: null,
    bodyLength: null,
    onStream: null,
    acceptBody: () => undefined,
    giveUp: () => undefined,
    awaitsContinue: () => false,
    reply: null,
    seen: { attempts: 0, instance: null, failed: null, streamed: null },
    logFields: {},
    ...over,
  } as ProxyState;
}

/** @param body what the client sends; the response is an emitter with the few properties that steps read */
export function testContext(state: ProxyState, body: Iterable<string> = []) {
  const socket = { bytesWritten: 0, bytesRead: 0 };
  const chunks = Readable.from([...body].map((text) => Buffer.from(text)));
  const req = Object.assign(chunks, { socket, complete: true });
  const response = new EventEmitter();
  const res = Object.assign(response, { headersSent: false, statusCode: 200, writableFinished: false });
  const ctx = { state, req, res, method: state.head.method, request: {} } as unknown as ProxyContext;
  return { ctx, req, res, socket };
}

/** Runs one step. @returns "next": it handed the request on; "done": it did not; else the error that it threw */
export async function outcomeOf(
  step: Middleware,
  ctx: ProxyContext,
): Promise<"next" | "done" | Problem | Error> {
  let outcome: "next" | "done" = "done";
  try {
    await step(ctx, async () => void (outcome = "next"));
    return outcome;
  } catch (error) {
    return error as Error;
  }
}
