/** Transitions of processes as metrics, exported by every service process that owns processes. */
import { isTerminal, type ProcessRecord } from "@sticky-proxy/core/process";
import type { Metrics } from "./metrics.ts";

type Counted = Pick<Metrics, "processTransitions" | "processDuration" | "executionsUnknown">;

/** Called for every committed transition; `from` null: created. */
export function observeTransitions(
  metrics: Counted,
): (from: ProcessRecord | null, to: ProcessRecord) => void {
  return (from, to) => {
    const { service, status } = to;
    if (from?.status !== status) {
      metrics.processTransitions.inc({ service, from: from?.status ?? "none", to: status });
    }
    if (from === null || isTerminal(from.status)) return;
    if (status !== "completed" && status !== "failed" && status !== "cancelled") return;
    const ms = (to.endedAt ?? to.updatedAt) - to.createdAt;
    metrics.processDuration.observe({ service, result: status }, ms / 1000);
    if (to.executed === "unknown") metrics.executionsUnknown.inc({ service });
  };
}
