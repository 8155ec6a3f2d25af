/**
 * Periodic tasks of a node: a table of name, period, jitter and work, started by one function. A run that fails is
 * logged as `task.failed` and counted, and the task goes on; a run that succeeds moves the task's "last success" metric.
 * The lifecycle stops each task and waits for the run in progress.
 */
import type { Lifecycle, Phase } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import { every } from "./loop.ts";
import type { Metrics } from "./metrics.ts";

export interface Task {
  /** `<kind of node>.<what it does>`: proxy and sweeper of one process share the metrics. */
  readonly name: string;
  /** Milliseconds from the end of one run to the start of the next. */
  readonly periodMs: number;
  /** Share of the period. Default 0.2 (±20 %). */
  readonly jitter?: number;
  readonly run: () => Promise<void> | void;
  /** The first run is at once instead of after a period. */
  readonly atOnce?: boolean;
  /** The phase of the shutdown that stops it. Default "flush". */
  readonly stopIn?: Phase;
}

export interface TaskParts {
  readonly logger: Pick<Logger, "error">;
  readonly metrics: Pick<Metrics, "taskLastSuccess" | "taskFailures">;
  readonly lifecycle: Pick<Lifecycle, "onShutdown">;
}

export function startTasks(tasks: readonly Task[], { logger, metrics, lifecycle }: TaskParts): void {
  for (const { name: task, periodMs, jitter = 0.2, run, atOnce = false, stopIn = "flush" } of tasks) {
    metrics.taskFailures.inc({ task }, 0);
    const loop = every(
      periodMs,
      jitter,
      async () => {
        await run();
        metrics.taskLastSuccess.set({ task }, Date.now() / 1000);
      },
      {
        atOnce,
        onError(err) {
          metrics.taskFailures.inc({ task });
          logger.error("task.failed", { task, err });
        },
      },
    );
    lifecycle.onShutdown(stopIn, task, () => loop.stop());
  }
}
