/**
 * Redrives a dead letter: runs its request again, or delivers its webhook again.
 *
 * D1 A redrive never runs a process that ran again since: only the last process of a scope is redriven.
 * D2 The mark is taken off only after the new process exists. A crash in between leaves mark and successor, and the
 *    next redrive sees the successor and only takes the mark off.
 * D3 A completed process whose notification is dead is notified again, never run again.
 * D4 A bulk redrive touches only what was dead when it was planned.
 */
import type { Fence } from "@sticky-proxy/protocol";
import { isTerminal, type ProcessRecord, type ProcessRef, type Snapshot } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";

type Operated = Pick<Processes, "read" | "apply" | "rerun">;

export type Redriven =
  /** The new process; a sweeper sends it. */
  | { readonly kind: "rerun"; readonly record: ProcessRecord }
  /** Run again by a forced request, or by a redrive that was interrupted before it took the mark off; now it is off. */
  | { readonly kind: "already-rerun"; readonly successor: ProcessRef }
  /** Its webhook is delivered again. */
  | { readonly kind: "notified-again"; readonly record: ProcessRecord }
  /** The scope has run again since, by the client or somebody else: look at the successor, or discard this one. */
  | { readonly kind: "superseded"; readonly successor: ProcessRef }
  | { readonly kind: "running" }
  | { readonly kind: "no-request" }
  | { readonly kind: "not-dead" }
  | { readonly kind: "not-found" };

/** What a redrive would do with this record; only the redrive itself finds `not-found` and `running`. */
export function redriveOf(
  record: ProcessRecord,
): "rerun" | "already-rerun-or-superseded" | "notify" | "no-request" | "not-dead" {
  if (record.deadLetter === null || !isTerminal(record.status)) return "not-dead";
  if (record.status !== "failed" && record.notifyState === "failed") return "notify"; // D3
  if (record.supersededBy !== null) return "already-rerun-or-superseded"; // D1
  return record.requestPayload === null ? "no-request" : "rerun";
}

/** @throws StoreUnavailable; what was done stays done, and doing it again is safe (D2) */
export async function redriveDeadLetter(processes: Operated, ref: ProcessRef): Promise<Redriven> {
  const { record }: Snapshot = await processes.read(ref, { withResult: false });
  if (record === null) return { kind: "not-found" };
  switch (redriveOf(record)) {
    case "not-dead":
      return { kind: "not-dead" };
    case "no-request":
      return { kind: "no-request" };
    case "notify": {
      const applied = await processes.apply(record, { type: "notify-again" });
      if (applied.kind === "gone") return { kind: "not-found" };
      return { kind: "notified-again", record: applied.record };
    }
    case "already-rerun-or-superseded":
      return successorOf(processes, record, record.supersededBy!);
    case "rerun": {
      const begun = await processes.rerun(record, {
        cancelRunning: false,
        dispatch: "by-alarm",
        onlyIfLast: true, // D1
      });
      switch (begun.verdict) {
        case "no-request":
          return { kind: "no-request" };
        case "running":
          return { kind: "running" };
        case "superseded":
        case "repeat":
          return successorOf(processes, record, begun.record.epoch);
        case "start":
          await processes.apply(record, { type: "discarded" }); // D2
          return { kind: "rerun", record: begun.record };
      }
    }
  }
}

async function successorOf(processes: Operated, record: ProcessRecord, epoch: Fence): Promise<Redriven> {
  const { partition, scope } = record;
  const successor: ProcessRef = { partition, scope, epoch };
  const { record: next } = await processes.read(successor, { withResult: false });
  if (next === null || next.rerunOf !== record.epoch) return { kind: "superseded", successor };
  await processes.apply(record, { type: "discarded" }); // D2
  return { kind: "already-rerun", successor };
}
