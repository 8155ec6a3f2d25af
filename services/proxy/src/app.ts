/** The chain: a request's life, step by step. Every step is one file and one factory. */
import type { IncomingMessage, ServerResponse } from "node:http";

import Koa from "koa";

import type { ProxyDeps } from "./deps.ts";
import { createBodyRooms } from "./listener/body-rooms.ts";
import { begin, type Gate } from "./listener/begin.ts";
import { accessLog } from "./middleware/access-log.ts";
import { authenticate } from "./middleware/authenticate.ts";
import { createBodyValidator } from "./middleware/body-validator.ts";
import { cache } from "./middleware/cache.ts";
import { cors, preflight } from "./middleware/cors.ts";
import { durableCopy } from "./middleware/durable-copy.ts";
import { forward } from "./middleware/forward.ts";
import { identify } from "./middleware/identify.ts";
import { keyInBody } from "./middleware/key-in-body.ts";
import { matchServiceStep } from "./middleware/match-service.ts";
import { methodOverride } from "./middleware/method-override.ts";
import { mirror } from "./middleware/mirror.ts";
import { stickyProcess } from "./middleware/process.ts";
import { mount } from "./middleware/mount.ts";
import { rateFields } from "./middleware/rate-fields.ts";
import { problems } from "./middleware/problems.ts";
import { readBody } from "./middleware/read-body.ts";
import { reserved } from "./middleware/reserved.ts";
import { traceContext } from "./middleware/trace-context.ts";
import type { FindService } from "./middleware/service-finder.ts";
import { write } from "./middleware/write.ts";
import { validateBody } from "./middleware/validate-body.ts";
import type { Middleware, ProxyState, Received } from "./state.ts";

export type Handler = (request: IncomingMessage, response: ServerResponse, received: Received) => void;

export function createApp(deps: ProxyDeps, gate: Gate, find: FindService): Handler {
  const parts = deps.process;
  const purges = (deps.cache?.purge ?? null) !== null;
  const received = new WeakMap<IncomingMessage, Received>();
  const validator = createBodyValidator({ limitMs: deps.settings.limits.validationMs });
  const rooms = createBodyRooms(deps.settings.limits.bodyBytes, () => deps.budgetRefused?.("bodies"));
  const chain: readonly Middleware[] = [
    write(deps, gate), // the only place that writes a response
    cors(deps.settings), // every reply, whatever made it
    ...(deps.rates === null ? [] : [rateFields()]), // what its caller may still send, on what the gateway says itself
    problems(deps), // what the steps throw becomes a reply
    accessLog(deps), // inside problems, so that it sees every way out
    traceContext(), // ids before anything is sent anywhere
    ...(parts === undefined ? [] : [reserved(parts.routers, deps.settings, rooms)]), // our own resources never reach a service
    matchServiceStep({ ...deps, find, development: deps.settings.development }), // everything below is the service's policy
    mount(), // what the service says of its own paths, as its clients find them
    preflight(deps.settings), // a browser asks before it may send key and credential
    authenticate({ ...deps, purges }), // whose request it is; the steps below ask nobody else
    ...(deps.mirror === undefined ? [] : [mirror(deps.mirror)]), // a copy made before us takes the mirror off the route
    ...(parts === undefined ? [] : [identify(parts.identify)]), // a bad key is refused before its body is read
    methodOverride(), // where a decision hangs on the method, there is one
    readBody(deps, rooms), // decides about 413 and 100-continue before a byte is asked for
    ...(parts === undefined ? [] : [keyInBody()]), // where the route's key is no header field
    validateBody(deps.services, validator), // what the route's schema refuses is not begun, cached or sent
    ...(deps.cache === undefined ? [] : [cache(deps.cache)]), // before processes: it drops what their answers change
    ...(parts === undefined ? [] : [stickyProcess(parts.submit, gate)]), // join, replay or run; else go on
    ...(deps.copies === undefined ? [] : [durableCopy(deps.copies)]), // what belongs to no process is copied from the side
    forward(deps), // the plain path
  ];
  const app = new Koa<ProxyState>();
  app.use(begin(received));
  for (const step of chain) app.use(step);
  // Steps' errors end in `problems`. How a client's connection broke comes here too; "close" has told it already.
  app.on("error", (error: NodeJS.ErrnoException) => {
    const broken = error.code === "ECONNRESET" || error.code === "EPIPE";
    if (!broken) deps.log.error("request.unhandled", { err: error });
  });
  const handle = app.callback();
  return (request, response, head) => {
    received.set(request, head);
    void handle(request, response);
  };
}
