/**
 * The metrics of one process; their table is metric-rows.ts. A service or route that is not configured is `unknown`,
 * a received method is mapped by {@link knownMethod}.
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
  readonly routes: readonly string[];
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

  kinds.start({ service: [...options.services, unknownName], route: [...options.routes, unknownName] });
  handles.buildInfo.set({ version: options.version, node: options.node, config_hash: options.configHash }, 1);
  if (options.withDefaults === true) collectDefaultMetrics({ register: registry });
  return { ...handles, registry };
}
