/** The periodic tasks that a proxy and a sweeper share, as rows of the table that `startTasks` starts. */
import type { CacheInvalidation, Engine } from "@sticky-proxy/engine";
import type { SeriesRecorder, Task } from "@sticky-proxy/runtime";
import { heartbeatMs, type Heartbeat } from "./heartbeat.ts";
import type { OpenNode } from "./open-node.ts";

export interface NodeTaskParts {
  readonly engine: Pick<Engine, "watchdog" | "rules">;
  readonly node: Pick<OpenNode, "pacing" | "storeClock" | "migrations" | "series">;
  readonly invalidation: Pick<CacheInvalidation, "payOwed">;
  readonly health: { refresh(): Promise<void> };
  readonly heartbeat: Pick<Heartbeat, "beat">;
  readonly series: Pick<SeriesRecorder, "tick">;
}

/** `kind`, of node, begins each name: proxy and sweeper of one process share the metrics. */
export function nodeTasks(
  kind: "proxy" | "sweeper",
  { engine, node, invalidation, health, heartbeat, series }: NodeTaskParts,
): readonly Task[] {
  return [
    {
      name: `${kind}.renew-leases`,
      periodMs: 100,
      jitter: 0,
      run: () => engine.watchdog.tick(),
      stopIn: "stop-watchdog",
    },
    { name: `${kind}.read-pauses`, periodMs: 1000, run: () => node.pacing.refresh() },
    {
      name: `${kind}.read-migrations`,
      periodMs: 200,
      jitter: 0.1,
      run: () => node.migrations.refresh(),
      stopIn: "stop-watchdog",
    },
    { name: `${kind}.read-store-clock`, periodMs: 10_000, run: () => node.storeClock.refresh() },
    { name: `${kind}.keep-rules`, periodMs: 60_000, run: () => engine.rules.keep(), atOnce: true },
    { name: `${kind}.pay-owed-invalidations`, periodMs: 1000, run: () => invalidation.payOwed() },
    {
      name: `${kind}.read-health`,
      periodMs: 1000,
      jitter: 0.1,
      run: () => health.refresh(),
      atOnce: true,
      stopIn: "stop-claiming",
    },
    // Often, so that a bucket is written when it ends; between two ends a run does nothing.
    {
      name: `${kind}.record-series`,
      periodMs: 500,
      jitter: 0.1,
      run: () => series.tick(node.series, node.storeClock.now()),
    },
    {
      name: `${kind}.heartbeat`,
      periodMs: heartbeatMs,
      run: () => heartbeat.beat(),
      stopIn: "stop-watchdog",
    },
  ];
}
