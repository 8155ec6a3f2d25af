/** Runs a process's request again as a new process, which a sweeper sends. */
import { isTerminal, type ProcessRecord, type ProcessRef } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";
import type { CancelPorts } from "./cancel.ts";
import { noteAct, type By } from "./note-act.ts";

export interface RerunPorts extends Pick<CancelPorts, "tellCancelled"> {
  readonly processes: Pick<Processes, "read" | "rerun" | "store">;
}

export type Rerun =
  /** The new process. */
  | { readonly kind: "started"; readonly record: ProcessRecord }
  /** A process of the scope is running; `cancelRunning` replaces it. */
  | { readonly kind: "running"; readonly record: ProcessRecord }
  /** The request was not kept, so it cannot be sent again. */
  | { readonly kind: "no-request" }
  | { readonly kind: "not-found" };

/**
 * @param options.cancelRunning cancels a process of the scope that is running, and tells its service
 * @param options.by for the timelines of both processes; null: nobody is named there
 * @throws StoreUnavailable
 */
export async function rerunProcess(
  { processes, tellCancelled }: RerunPorts,
  ref: ProcessRef,
  { cancelRunning, by = null }: { readonly cancelRunning: boolean; readonly by?: By | null },
): Promise<Rerun> {
  const { record } = await processes.read(ref, { withResult: false });
  if (record === null) return { kind: "not-found" };
  const begun = await processes.rerun(record, { cancelRunning, dispatch: "by-alarm" });
  switch (begun.verdict) {
    case "start":
      if (begun.superseded !== null && !isTerminal(begun.superseded.status)) tellCancelled(begun.superseded);
      await noteAct(processes, [record, begun.record], "rerun", by);
      return { kind: "started", record: begun.record };
    case "running":
    case "repeat":
    case "superseded":
      return { kind: "running", record: begun.record };
    case "no-request":
      return { kind: "no-request" };
  }
}
