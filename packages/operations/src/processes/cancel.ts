/** Cancels a process and tells its service. */
import type { ProcessRecord, ProcessRef } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";
import { noteAct, type By } from "./note-act.ts";

export interface CancelPorts {
  readonly processes: Pick<Processes, "read" | "apply" | "store">;
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

/**
 * @param by for the process's timeline; null: nobody is named there
 * @throws StoreUnavailable
 */
export async function cancelProcess(
  { processes, tellCancelled }: CancelPorts,
  ref: ProcessRef,
  by: By | null = null,
): Promise<Cancelled> {
  const { record } = await processes.read(ref, { withResult: false });
  if (record === null) return { kind: "not-found" };
  const applied = await processes.apply(record, { type: "cancelled" });
  switch (applied.kind) {
    case "applied":
      tellCancelled(applied.from);
      await noteAct(processes, [record], "cancel", by);
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
