/** Scripts in Redis, as metrics. */
import type { Metrics } from "./metrics.ts";

type Trouble = Parameters<Metrics["redisErrors"]["inc"]>[0]["kind"];

/** Called for every run of a script; `trouble` null: it succeeded. */
export function observeRedis(
  metrics: Pick<Metrics, "redisCommandDuration" | "redisErrors">,
): (command: string, ms: number, trouble: Trouble | null) => void {
  return (command, ms, trouble) => {
    metrics.redisCommandDuration.observe({ command }, ms / 1000);
    if (trouble !== null) metrics.redisErrors.inc({ kind: trouble });
  };
}
