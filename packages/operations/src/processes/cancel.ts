/** Cancels a process and tells its service. */
import type { ProcessRecord, ProcessRef } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";

export interface CancelPorts {
  readonly processes: Pick<Processes, "read" | "apply">;
  /** Tells the service that the process as it was before is cancelled. Does not wait and never throws. */
  readonly tellCancelled: (record: ProcessRecord) => void;
}

export type Cancelled =
  /** Cancelled now, or before. */
  | { readonly kind: "cancelled"; readonly record: ProcessRecord }
  /** It had ended otherwise. */
  | { readonly kind: "ended"; readonly record: ProcessRecord }
  /** It was removed meanwhile. */
  | { readonly kind: "gone" }
  | { readonly kind: "not-found" };

/** @throws StoreUnavailable */
export async function cancelProcess(
  { processes, tellCancelled }: CancelPorts,
  ref: ProcessRef,
): Promise<Cancelled> {
  const { record } = await processes.read(ref, { withResult: false });
  if (record === null) return { kind: "not-found" };
  const applied = await processes.apply(record, { type: "cancelled" });
  switch (applied.kind) {
    case "applied":
      tellCancelled(applied.from);
      return { kind: "cancelled", record: applied.record };
    case "same":
      return { kind: "cancelled", record: applied.record };
    case "refused":
    case "not-due":
      return { kind: "ended", record: applied.record };
    case "gone":
      return { kind: "gone" };
  }
}
