/** Waits for the end of a process. */
import { isTerminal, type ProcessRecord, type ProcessRef } from "@sticky-proxy/core/process";
import { waitFor, type WaitDeps } from "@sticky-proxy/engine";

export type Waited =
  | { readonly kind: "ended"; readonly record: ProcessRecord }
  /** Still running when the time was over or the signal aborted. */
  | { readonly kind: "running"; readonly record: ProcessRecord }
  /** It was removed during the wait. */
  | { readonly kind: "gone" }
  | { readonly kind: "not-found" };

/** @throws StoreUnavailable when the store is not available at the start or at the end */
export async function waitForProcess(
  waiting: WaitDeps,
  ref: ProcessRef,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Waited> {
  const first = await waiting.store.read(ref, { withResult: false });
  if (first.record === null) return { kind: "not-found" };
  const { record } = await waitFor(
    waiting,
    ref,
    ({ record: now }) => now === null || isTerminal(now.status),
    { timeoutMs, signal, withResult: false },
  );
  if (record === null) return { kind: "gone" };
  return { kind: isTerminal(record.status) ? "ended" : "running", record };
}
