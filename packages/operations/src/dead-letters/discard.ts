/** Discards a dead letter: takes its mark off without running it again. */
import type { ProcessRef } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";

/** The process itself stays until its result expires. @throws StoreUnavailable */
export async function discardDeadLetter(
  processes: Pick<Processes, "read" | "apply">,
  ref: ProcessRef,
): Promise<"discarded" | "not-dead" | "not-found"> {
  const { record } = await processes.read(ref, { withResult: false });
  if (record === null) return "not-found";
  if (record.deadLetter === null) return "not-dead";
  const applied = await processes.apply(record, { type: "discarded" });
  if (applied.kind === "gone") return "not-found";
  return applied.kind === "applied" ? "discarded" : "not-dead";
}
