/**
 * The metrics of one process; their table is metric-rows.ts. A request that no service takes has the service `unknown`,
 * one of a service that none of its routes takes the route `none`, one to the gateway itself the service `_sticky`. A received
 * method is mapped by {@link knownMethod}.
 */
import { collectDefaultMetrics, Registry } from "prom-client";
import { metricKinds } from "./metric-kinds.ts";
import {
  cacheMetrics,
  httpMetrics,
  methods,
  mirrorMetrics,
  nodeMetrics,
  processMetrics,
  redisMetrics,
  reportMetrics,
  statusClasses,
  taskMetrics,
  upstreamMetrics,
} from "./metric-rows.ts";

export const unknownName = "unknown";
/** Route of a request that is plain traffic of its service. */
export const noRoute = "none";
/** Service of a request for the gateway's own resources. */
export const ownService = "_sticky";

export type MetricMethod = (typeof methods)[number];
export type StatusClass = (typeof statusClasses)[number];

export function knownMethod(method: string): MetricMethod {
  const known: readonly string[] = methods;
  return known.includes(method) ? (method as MetricMethod) : "_OTHER";
}

/** `status` from 100 to 599. */
export function statusClass(status: number): StatusClass {
  return statusClasses[Math.floor(status / 100) - 1] ?? "5xx";
}

export interface MetricsOptions {
  readonly version: string;
  readonly node: string;
  readonly configHash: string;
  /** Configured names, whose series start at 0. */
  readonly services: readonly string[];
  readonly routes: readonly { readonly service: string; readonly route: string }[];
  /** Metrics of process and event loop; they keep observers alive, so tests switch them off. */
  readonly withDefaults?: boolean;
}

export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(options: MetricsOptions) {
  const registry = new Registry();
  const kinds = metricKinds(registry);
  const handles = {
    ...httpMetrics(kinds),
    ...upstreamMetrics(kinds),
    ...processMetrics(kinds),
    ...reportMetrics(kinds),
    ...cacheMetrics(kinds),
    ...mirrorMetrics(kinds),
    ...taskMetrics(kinds),
    ...redisMetrics(kinds),
    ...nodeMetrics(kinds),
  };

  kinds.start({ services: [...options.services, unknownName], routes: options.routes });
  handles.buildInfo.set({ version: options.version, node: options.node, config_hash: options.configHash }, 1);
  if (options.withDefaults === true) collectDefaultMetrics({ register: registry });
  return { ...handles, registry };
}
