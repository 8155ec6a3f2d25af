/** Attempts at services, as metrics. */
import { knownMethod, type Metrics } from "./metrics.ts";

type Counted = Pick<Metrics, "upstreamRequestDuration" | "instanceEjections">;
type Outcome = Parameters<Metrics["upstreamRequestDuration"]["observe"]>[0]["outcome"];

export interface AttemptSeen {
  readonly service: string;
  readonly method: string;
  /** "ok", "4xx", "5xx" or an RFC 9209 error type. */
  readonly outcome: string;
  readonly ms: number;
}

/** Observer of a forwarder's attempts. */
export function observeAttempts(metrics: Counted): {
  readonly onAttempt: (attempt: AttemptSeen) => void;
  readonly onEjected: (service: string, instance: string) => void;
} {
  return {
    onAttempt: ({ service, method, outcome, ms }) =>
      metrics.upstreamRequestDuration.observe(
        { service, method: knownMethod(method), outcome: outcome as Outcome },
        ms / 1000,
      ),
    onEjected: (service, instance) => metrics.instanceEjections.inc({ service, instance }),
  };
}
