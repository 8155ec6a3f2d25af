import type { ProcessRef } from "@sticky-proxy/core/process";
import { showProcess, type ShownProcess } from "../processes/show.ts";

/** null: there is no such process, or it is no dead letter. @throws StoreUnavailable */
export async function showDeadLetter(
  processes: Parameters<typeof showProcess>[0],
  ref: ProcessRef,
): Promise<ShownProcess | null> {
  const shown = await showProcess(processes, ref);
  return shown === null || shown.record.deadLetter === null ? null : shown;
}
