/** Who acted on a process and why, in the process's own timeline. */
import type { ProcessRef } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";

export interface By {
  readonly actor: string;
  /** "": none was given. */
  readonly reason: string;
}

/**
 * Adds the line. The audit knows of the act already, and what was done stays done: a line that cannot be written is left out.
 * @param by null: nobody is named, and nothing is written
 */
export async function noteAct(
  { store }: Pick<Processes, "store">,
  processes: readonly ProcessRef[],
  action: "cancel" | "rerun",
  by: By | null,
): Promise<void> {
  if (by === null) return;
  const { actor, reason } = by;
  const entry = { event: `operator-${action}`, actor, ...(reason === "" ? {} : { reason }) };
  await Promise.allSettled(processes.map((ref) => store.note(ref, entry)));
}
