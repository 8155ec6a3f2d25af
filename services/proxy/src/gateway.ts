/** A proxy node put together from its ports: steps, routes, listener. main.ts gives the concrete parts. */
import { createSecretKey } from "node:crypto";
import {
  type Changes,
  type Lease,
  type ProcessRecord,
  type ProcessStore,
  type StoredRequest,
  processId,
} from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import {
  type Config,
  type Logger,
  type Metrics,
  knownMethod,
  observeTransitions,
  sleep,
  statusClass,
  unknownName,
  systemClock,
} from "@sticky-proxy/runtime";
import type { Execution, Pacing, Engine } from "@sticky-proxy/engine";
import type { Forwarder, Tunneller } from "@sticky-proxy/upstream";
import type { CacheParts, ProxySettings } from "./deps.ts";
import type { MirrorDeps } from "./middleware/mirror.ts";
import { createCallbackVerifier } from "./routes/verify-callback.ts";
import type { SubmitDeps } from "./submit/submit.ts";
import { createWaiters } from "./submit/waiters.ts";
import { documentRoutes } from "./routes/documents.ts";
import { executionRoutes } from "./routes/executions.ts";
import { openApiRoute } from "./routes/openapi.ts";
import { endOf, readBody, setReply } from "./routes/route-context.ts";
import { processRoutes, type ProcessRouteDeps } from "./routes/processes.ts";
import { createServer, type ProxyServer } from "./listener/server.ts";

export interface GatewayDeps {
  readonly config: Config;
  readonly services: () => readonly Service[];
  readonly settings: ProxySettings;
  readonly store: ProcessStore;
  readonly changes: Changes;
  readonly secret: Buffer;
  readonly forwarder: Forwarder & Tunneller;
  readonly cache?: CacheParts;
  readonly mirror?: MirrorDeps;
  readonly engine: Engine;
  readonly pacing: Pacing;
  readonly cancelHook: (record: ProcessRecord) => void;
  readonly newRequestId: () => string;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface Gateway {
  readonly server: ProxyServer;
  /** Ends long polls and event streams, and lets those held clients go that may be told 202. */
  letGo(): void;
  /** The connections are about to be cut: whoever is still held is told what is known. */
  giveUp(): void;
}

export function createGateway(deps: GatewayDeps): Gateway {
  const { config, metrics, log, engine } = deps;
  const { processes, executor, rules } = engine;
  // Made once: a Buffer would be turned into a key at every digest.
  const secret = createSecretKey(deps.secret);
  const letGo = new AbortController();
  const giveUp = new AbortController();
  const waiting = {
    store: deps.store,
    changes: deps.changes,
    sleep,
    random: Math.random,
    clock: systemClock,
  };

  const waiters = createWaiters(config.limits.maxWaiters);
  metrics.waiters.onScrape(() => {
    for (const [service, held] of waiters.counts()) metrics.waiters.set({ service }, held);
  });

  const submit: SubmitDeps = {
    processes,
    executor,
    waiting,
    waiters,
    pacing: deps.pacing,
    tellCancelled: deps.cancelHook,
    secret,
    newId: engine.newId,
    onVerdict: (service, verdict) => metrics.verdicts.inc({ service, verdict }),
    onWait: (service, outcome, ms) => metrics.wait.observe({ service, outcome }, ms / 1000),
    onFailure: (what, error) => log.warn("process.unattended", { what, err: error }),
    draining: letGo.signal,
    closing: giveUp.signal,
  };

  const routeDeps: ProcessRouteDeps = {
    processes,
    waiting,
    waiters,
    pacing: deps.pacing,
    secret,
    execute: (record, request) => void execute(record, request),
    tellCancelled: deps.cancelHook,
    findService: (name) => deps.services().find((service) => service.name === name) ?? null,
    tenantOf: () => "",
    readBody,
    write: setReply,
    endOf: (ctx) => endOf(ctx, letGo.signal),
  };

  /** A re-run begun here. The executor knows of it at once, so that a node that stops waits for it. */
  async function execute(record: ProcessRecord, request: StoredRequest): Promise<void> {
    try {
      const found = rules.find(record);
      if (found === null) return; // its lease ends and the sweeper settles it
      const run = await executor.run({ record, ...found, request, extra: traceOf(record), client: null });
      run.live?.body.destroy();
    } catch (error) {
      log.error("process.rerun-failed", { processId: processId(record), err: error });
    }
  }

  const processRouter = processRoutes(routeDeps);
  const documents = documentRoutes(setReply);
  const executions = executionRoutes({
    processes,
    verifier: createCallbackVerifier(deps.secret, deps.services()),
    find: (record) => rules.find(record),
    findService: (name) => deps.services().find((service) => service.name === name) ?? null,
    readBody,
    write: setReply,
    onCallback: (service, outcome) => {
      metrics.callbacks.inc({ service, outcome });
      if (outcome === "unauthorized") metrics.authFailures.inc({ action: "callback" });
    },
    maxHeartbeatBytes: 16_384,
  });

  const server = createServer({
    process: {
      submit,
      identify: { rules, endpoints: new Set(config.webhooks.map(({ name }) => name)) },
      routers: [processRouter, executions, documents, openApiRoute(setReply)],
    },
    ...(deps.cache === undefined ? {} : { cache: deps.cache }),
    ...(deps.mirror === undefined ? {} : { mirror: deps.mirror }),
    services: deps.services,
    forwarder: deps.forwarder,
    tunnels: deps.forwarder,
    log,
    settings: deps.settings,
    newRequestId: deps.newRequestId,
    onRequest: ({ route: name, method, status, durationMs, requestBytes, responseBytes }) => {
      const route = name ?? unknownName;
      if (requestBytes !== null) metrics.httpRequestSize.observe({ route }, requestBytes);
      if (status === null) return;
      metrics.httpResponseSize.observe({ route }, responseBytes);
      metrics.httpRequestDuration.observe(
        { route, method: knownMethod(method), status_class: statusClass(status) },
        durationMs / 1000,
      );
    },
  });
  metrics.httpRequestsInFlight.onScrape(() => metrics.httpRequestsInFlight.set({}, server.inFlight));
  return { server, letGo: () => letGo.abort(), giveUp: () => giveUp.abort() };
}

/** The submitting request's trace goes on in what is dispatched later. */
export function traceOf(record: ProcessRecord): Execution["extra"] {
  return record.traceparent === null ? [] : [["traceparent", record.traceparent]];
}

/** What a node's engine reports, as metrics and log lines. */
export function engineObservers(metrics: Metrics, log: Pick<Logger, "warn" | "error">) {
  return {
    onTransition: observeTransitions(metrics),
    onRefused: ({ service }: ProcessRecord): void => metrics.fenceRejected.inc({ service }),
    onLeaseLost: (lease: Lease): void => {
      metrics.leaseLost.inc({ service: lease.service });
      log.warn("lease.lost", { service: lease.service, processId: processId(lease) });
    },
    onFailure: (what: string, error: unknown): void => {
      if (what === "renew") metrics.renewFailures.inc({ service: unknownName });
      log.error("process.trouble", { what, err: error });
    },
  };
}
