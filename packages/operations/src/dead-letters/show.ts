/** Shows a dead letter: its record, its timeline, and its request if that was kept. */
import type {
  ProcessRecord,
  ProcessRef,
  ProcessStore,
  StoredRequest,
  TimelineEntry,
} from "@sticky-proxy/core/process";

export interface DeadLetter {
  readonly record: ProcessRecord;
  /** null: not kept, so it cannot be run again. */
  readonly request: StoredRequest | null;
  readonly timeline: readonly (TimelineEntry & { readonly at: string })[];
}

/** null: there is no such process, or it is no dead letter. @throws StoreUnavailable */
export async function showDeadLetter(
  { store }: { readonly store: Pick<ProcessStore, "read" | "readRequest" | "timeline"> },
  ref: ProcessRef,
): Promise<DeadLetter | null> {
  const { record } = await store.read(ref, { withResult: false });
  if (record === null || record.deadLetter === null) return null;
  const [request, timeline] = await Promise.all([
    store.readRequest(record, { mayLackCredentials: true }),
    store.timeline(ref),
  ]);
  return { record, request, timeline };
}
