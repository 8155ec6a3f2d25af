/** Creates the engine on a node's stores and connections, with its metrics and log lines. */
import { createEngine, invalidatingStore, type CacheInvalidation, type Engine } from "@sticky-proxy/engine";
import { tokenKeys } from "@sticky-proxy/core/principal";
import { processId, type Lease, type ProcessRecord } from "@sticky-proxy/core/process";
import {
  observeTransitions,
  publicBase,
  sleep,
  systemClock,
  unknownName,
  type Config,
  type Logger,
  type Metrics,
} from "@sticky-proxy/runtime";
import type { Forwarder } from "@sticky-proxy/upstream";
import type { NodeMirror } from "./open-mirror.ts";
import type { OpenNode } from "./open-node.ts";

export interface EngineParts {
  readonly config: Config;
  readonly node: OpenNode;
  /** Name of this node as the owner of its dispatches. */
  readonly name: string;
  /** The port that services report to where no publicUrl is configured. */
  readonly port: () => number;
  readonly forwarder: Forwarder;
  readonly invalidation: CacheInvalidation;
  readonly intents: NodeMirror["intents"];
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export function openEngine(parts: EngineParts): Engine {
  const { config, node, invalidation, logger, metrics } = parts;
  const { store, nodeLocks, pacing } = node;
  const services = () => node.migrations.services();
  return createEngine({
    // Invalidates the cache around the commit that ends a process.
    store: invalidatingStore(store.processes, { invalidation, services }),
    pins: store.pins,
    changes: store.changes,
    forwarder: parts.forwarder,
    node: parts.name,
    services,
    publicUrl: () => publicBase(config, parts.port()),
    secret: store.meta.secret,
    tokens: tokenKeys(config.tokens, store.meta.secret),
    intents: parts.intents,
    guard: nodeLocks.guard,
    pacing,
    confirm: store.confirm,
    deadLetterMs: config.retention.deadLetterMs,
    clock: systemClock,
    sleep,
    ...engineObservers(metrics, logger),
  });
}

function engineObservers(metrics: Metrics, logger: Pick<Logger, "warn" | "error">) {
  return {
    onTransition: observeTransitions(metrics),
    onRefused: ({ service }: ProcessRecord): void => metrics.fenceRejected.inc({ service }),
    onLeaseLost: (lease: Lease): void => {
      metrics.leaseLost.inc({ service: lease.service });
      logger.warn("lease.lost", { service: lease.service, processId: processId(lease) });
    },
    onFailure: (what: string, err: unknown): void => {
      if (what === "renew") metrics.renewFailures.inc({ service: unknownName });
      logger.error("process.trouble", { what, err });
    },
  };
}
