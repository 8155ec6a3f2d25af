import type { Differences, IdMap, MirrorChain, Outbox } from "@sticky-proxy/core/mirror";
import type { Clock } from "@sticky-proxy/protocol";

/** What the verbs of the mirror work on. */
export interface MirrorPorts {
  readonly differences: Differences;
  readonly outbox: Pick<Outbox, "partitions" | "gaps" | "parkedKeys" | "unpark" | "skip">;
  readonly ids: IdMap;
  readonly chain: MirrorChain;
  /** Turns spans into times. */
  readonly clock: Pick<Clock, "now">;
}

/** Epoch ms; null: no bound. */
export function sinceOf({ clock }: Pick<MirrorPorts, "clock">, sinceMs: number | null): number | null {
  return sinceMs === null ? null : clock.now() - sinceMs;
}
