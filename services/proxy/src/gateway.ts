/** A proxy node put together from its ports: steps, routes, listener. main.ts gives the concrete parts. */
import { createSecretKey } from "node:crypto";
import {
  type Changes,
  type ProcessRecord,
  type ProcessStore,
  type StoredRequest,
  processId,
} from "@sticky-proxy/core/process";
import { currentFingerprint } from "@sticky-proxy/core/idempotency";
import type { Service } from "@sticky-proxy/core/registry";
import {
  type Config,
  type Logger,
  type Metrics,
  knownMethod,
  sleep,
  statusClass,
  noRoute,
  ownService,
  unknownName,
  systemClock,
} from "@sticky-proxy/runtime";
import type { TokenKeys } from "@sticky-proxy/core/principal";
import type { Execution, Pacing, Engine } from "@sticky-proxy/engine";
import type { Forwarder, Tunneller } from "@sticky-proxy/upstream";
import type { Authenticator } from "./authentication/authenticator.ts";
import type { Rates } from "./authentication/rates.ts";
import type { CacheParts, ProxyDeps, ProxySettings, RequestObserved } from "./deps.ts";
import type { DurableCopyDeps } from "./middleware/durable-copy.ts";
import type { MirrorDeps } from "./middleware/mirror.ts";
import { createCallbackVerifier } from "./routes/verify-callback.ts";
import type { SubmitDeps } from "./submit/submission.ts";
import { createOtherKeys } from "./submit/other-keys.ts";
import type { FormerScopes } from "./submit/former-scopes.ts";
import { createWaiters } from "./submit/waiters.ts";
import { createCallers } from "./routes/callers.ts";
import { documentRoutes } from "./routes/documents.ts";
import { executionRoutes, type ExecutionRouteDeps } from "./routes/executions.ts";
import { openApiRoute } from "./routes/openapi.ts";
import { endOf, readBody, setReply } from "./routes/route-context.ts";
import { createRefusedNotes } from "./routes/refused-notes.ts";
import { processRoutes, type ProcessRouteDeps } from "./routes/processes.ts";
import type { ListenerTls } from "./listener/http-server.ts";
import { createServer, type ProxyServer } from "./listener/server.ts";

export interface GatewayDeps {
  readonly config: Config;
  readonly services: () => readonly Service[];
  readonly settings: ProxySettings;
  readonly store: ProcessStore;
  readonly changes: Changes;
  readonly secret: Buffer;
  readonly tokens: TokenKeys;
  readonly authenticator: Authenticator | null;
  readonly rates: Rates | null;
  readonly formerScopes: FormerScopes;
  readonly forwarder: Forwarder & Tunneller;
  /** As in ProxyDeps; absent: no service may be moved. */
  readonly migrations?: ProxyDeps["migrations"];
  readonly cache?: CacheParts;
  readonly mirror?: MirrorDeps;
  readonly copies?: DurableCopyDeps;
  /** As in SubmitDeps; absent: no bound. */
  readonly outbox?: SubmitDeps["outbox"];
  readonly engine: Engine;
  readonly pacing: Pacing;
  readonly cancelHook: (record: ProcessRecord) => void;
  /** null: clear text. */
  readonly tls?: ListenerTls | null;
  readonly newRequestId: () => string;
  /** Whether every live replica can compare that version of the fingerprint. */
  readonly allKnowFingerprint: (version: number) => boolean;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly onDropped: () => void;
}

export interface Gateway {
  readonly server: ProxyServer;
  /** Ends long polls and event streams, and answers the waiting clients that may get 202. */
  releaseWaiters(): void;
  /** Answers every client that still waits: the connections are about to be cut. */
  giveUp(): void;
}

export function createGateway(deps: GatewayDeps): Gateway {
  const { config, metrics, engine } = deps;
  const releaseWaiters = new AbortController();
  const giveUp = new AbortController();
  const refused = (budget: "waiters" | "event-streams") => () => metrics.budgetRefusals.inc({ budget });
  const waiters = createWaiters(config.limits.maxWaiters, refused("waiters"));
  const streams = createWaiters(config.limits.maxEventStreams, refused("event-streams"));
  metrics.waiters.onScrape(() => {
    for (const [service, count] of waiters.counts()) metrics.waiters.set({ service }, count);
  });
  metrics.eventStreams.onScrape(() => {
    for (const [service, count] of streams.counts()) metrics.eventStreams.set({ service }, count);
  });
  const shared: Shared = {
    processes: engine.processes,
    waiting: {
      store: deps.store,
      changes: deps.changes,
      sleep,
      random: Math.random,
      clock: systemClock,
    },
    waiters,
    pacing: deps.pacing,
    tellCancelled: deps.cancelHook,
    // Made once: a Buffer would be turned into a key at every digest.
    secret: createSecretKey(deps.secret),
    tokens: deps.tokens,
  };
  const server = createServer({
    secret: shared.secret,
    authenticator: deps.authenticator,
    rates: deps.rates,
    process: {
      submit: submitDeps(deps, shared, releaseWaiters.signal, giveUp.signal),
      identify: { rules: engine.rules, endpoints: new Set(config.webhooks.map(({ name }) => name)) },
      routers: [
        processRoutes({ ...processRouteDeps(deps, shared, releaseWaiters.signal), streams }),
        executionRoutes(executionRouteDeps(deps)),
        documentRoutes(setReply),
        openApiRoute(setReply),
      ],
    },
    ...(deps.cache === undefined ? {} : { cache: deps.cache }),
    ...(deps.mirror === undefined ? {} : { mirror: deps.mirror }),
    ...(deps.copies === undefined ? {} : { copies: deps.copies }),
    ...(deps.migrations === undefined ? {} : { migrations: deps.migrations }),
    services: deps.services,
    forwarder: deps.forwarder,
    tunnels: deps.forwarder,
    log: deps.log,
    settings: deps.settings,
    tls: deps.tls ?? null,
    newRequestId: deps.newRequestId,
    budgetRefused: (budget) => metrics.budgetRefusals.inc({ budget }),
    onRequest: (observed) => observeRequest(metrics, observed),
    onDropped: deps.onDropped,
  });
  metrics.httpRequestsInFlight.onScrape(() => metrics.httpRequestsInFlight.set({}, server.inFlight));
  return { server, releaseWaiters: () => releaseWaiters.abort(), giveUp: () => giveUp.abort() };
}

/** What submissions and the process API both use. */
type Shared = Pick<
  SubmitDeps,
  "processes" | "waiting" | "waiters" | "pacing" | "tellCancelled" | "secret" | "tokens"
>;

function submitDeps(
  { metrics, log, engine, allKnowFingerprint, formerScopes, outbox }: GatewayDeps,
  shared: Shared,
  draining: AbortSignal,
  closing: AbortSignal,
): SubmitDeps {
  return {
    ...shared,
    executor: engine.executor,
    newId: engine.newId,
    outbox: outbox ?? null,
    formerScopes,
    writesCurrentFingerprint: () => allKnowFingerprint(currentFingerprint),
    otherKeys: createOtherKeys(systemClock.monotonic),
    onOtherKey: ({ service, route, ...ref }, earlier) => {
      metrics.otherKeys.inc({ service });
      log.warn("request.same-under-other-key", { service, route, processId: processId(ref), earlier });
    },
    onVerdict: (service, verdict) => metrics.verdicts.inc({ service, verdict }),
    onWait: (service, outcome, ms) => metrics.wait.observe({ service, outcome }, ms / 1000),
    onFailure: (what, error) => log.warn("process.unattended", { what, err: error }),
    draining,
    closing,
  };
}

function processRouteDeps(
  deps: GatewayDeps,
  shared: Shared,
  draining: AbortSignal,
): Omit<ProcessRouteDeps, "streams"> {
  return {
    ...shared,
    execute: (record, request) => void executeRerun(deps, record, request),
    findService: finderIn(deps.services),
    callers: createCallers({ ...deps, secret: shared.secret }),
    formerScopes: deps.formerScopes,
    readBody,
    write: setReply,
    endOf: (ctx) => endOf(ctx, draining),
  };
}

function executionRouteDeps({ metrics, tokens, services, engine }: GatewayDeps): ExecutionRouteDeps {
  return {
    processes: engine.processes,
    verifier: createCallbackVerifier(tokens.accept, services(), engine.rules.keyId),
    rules: engine.rules,
    findService: finderIn(services),
    readBody,
    write: setReply,
    onCallback: (service, outcome) => {
      metrics.callbacks.inc({ service, outcome });
      if (outcome === "unauthorized") metrics.authFailures.inc({ action: "callback" });
    },
    refusedNotes: createRefusedNotes(systemClock.monotonic),
    maxHeartbeatBytes: 16_384,
  };
}

/** Runs a re-run that this node has begun. The executor knows of it at once, so that a node that stops waits for it. */
async function executeRerun(
  { engine, log }: GatewayDeps,
  record: ProcessRecord,
  request: StoredRequest,
): Promise<void> {
  try {
    const found = engine.rules.find(record);
    if (found === null) return; // its lease ends and the sweeper settles it
    const extra = traceOf(record);
    const run = await engine.executor.run({ record, ...found, request, extra, client: null });
    run.live?.body.destroy();
  } catch (error) {
    log.error("process.rerun-failed", { processId: processId(record), err: error });
  }
}

function finderIn(services: () => readonly Service[]): (name: string) => Service | null {
  return (name) => services().find((service) => service.name === name) ?? null;
}

function observeRequest(metrics: Metrics, observed: RequestObserved): void {
  const { method, status, durationMs, requestBytes, responseBytes } = observed;
  const labels = {
    service: observed.service ?? (observed.isOwn ? ownService : unknownName),
    route: observed.route ?? noRoute,
  };
  if (requestBytes !== null) metrics.httpRequestSize.observe(labels, requestBytes);
  if (status === null) return;
  metrics.httpResponseSize.observe(labels, responseBytes);
  metrics.httpRequestDuration.observe(
    { ...labels, method: knownMethod(method), status_class: statusClass(status) },
    durationMs / 1000,
  );
}

/** The submitting request's trace goes on in what is dispatched later. */
export function traceOf(record: ProcessRecord): Execution["extra"] {
  return record.traceparent === null ? [] : [["traceparent", record.traceparent]];
}
