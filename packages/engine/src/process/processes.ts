/**
 * `begin` and `apply` are the only code that changes a process: read, decide, commit; on `stale` read and decide
 * again. Proxy, callback route, watchdog, sweeper and admin all use it.
 */
import type { EpochMs, Fence, MonotonicMs } from "@sticky-proxy/protocol";
import type {
  BeginRequest,
  ProcessEvent,
  ProcessRecord,
  ProcessRef,
  ProcessStore,
  Snapshot,
} from "@sticky-proxy/core/process";
import { applyEvent, type Applied } from "./apply.ts";
import { beginProcess, type Begun } from "./begin.ts";
import { rerunProcess, type Rerun, type RerunOptions } from "./rerun.ts";
import { StoreView, type ProcessesDeps } from "./store-view.ts";

export interface Processes {
  readonly store: ProcessStore;
  /** The profile wants writes confirmed by others: what is not may be forgotten in a fail-over. */
  readonly isGated: boolean;
  /**
   * Resolves when the record is as durable as the profile promises; at once where an acknowledged write is.
   * @throws RecordDiffers, StoreUnavailable
   */
  confirm(record: ProcessRecord): Promise<void>;
  /** @throws StoreUnavailable */
  begin(request: BeginRequest): Promise<Begun>;
  /** @throws StoreUnavailable */
  apply(base: ProcessRecord, event: ProcessEvent, options?: { readonly ifDue?: boolean }): Promise<Applied>;
  /** Runs a process's request anew as the next process of its scope. @throws StoreUnavailable */
  rerun(base: ProcessRecord, options: RerunOptions): Promise<Rerun>;
  /** epoch null: whatever process the scope has now. @throws StoreUnavailable */
  read(
    ref: Omit<ProcessRef, "epoch"> & { readonly epoch: Fence | null },
    options: { withResult: boolean },
  ): Promise<Snapshot>;
  /** Claims due alarms and hides them for hideMs. @throws StoreUnavailable */
  claimDue(options: { readonly limit: number; readonly hideMs: number }): Promise<readonly ProcessRecord[]>;
  /** The store's clock as far as this node knows it, epoch ms. */
  now(): EpochMs;
  /** When the write that returned this record was sent, monotonic ms; null: the record is not the reply to a write of this node. */
  writtenAt(record: ProcessRecord): MonotonicMs | null;
}

export function createProcesses(deps: ProcessesDeps): Processes {
  const { store } = deps;
  const view = new StoreView(deps);
  return {
    store,
    isGated: deps.confirm !== null,
    confirm: (record) => view.confirm(record),
    begin: (request) => beginProcess(view, request),
    apply: (base, event, options) => applyEvent(view, base, event, options),
    rerun: (base, options) => rerunProcess(view, base, options),
    now: () => view.now(),
    writtenAt: (record) => view.writtenAt(record),
    async read(ref, options) {
      return view.see(await store.read(ref, options));
    },
    async claimDue(options) {
      return view.see(await store.claimDue(options)).due;
    },
  };
}
