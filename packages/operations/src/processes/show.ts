/** Shows a process: its record, its timeline, and its request if that was kept. */
import {
  viewOf,
  type ProcessRecord,
  type ProcessRef,
  type ProcessStore,
  type StoredRequest,
  type TimelineEntry,
} from "@sticky-proxy/core/process";

export interface ShownProcess {
  readonly record: ProcessRecord;
  /** null: not kept, so it cannot be run again. */
  readonly request: StoredRequest | null;
  readonly timeline: readonly (TimelineEntry & { readonly at: string })[];
}

/** null: there is no such process. @throws StoreUnavailable */
export async function showProcess(
  { store }: { readonly store: Pick<ProcessStore, "read" | "readRequest" | "timeline"> },
  ref: ProcessRef,
): Promise<ShownProcess | null> {
  const { record } = await store.read(ref, { withResult: false });
  if (record === null) return null;
  const [request, timeline] = await Promise.all([
    store.readRequest(record, { mayLackCredentials: true }),
    store.timeline(ref),
  ]);
  return { record, request, timeline };
}

/**
 * The JSON form of what {@link showProcess} found.
 * @param redact takes secrets out of headers and queries
 */
export function shownProcessView(
  { record, request, timeline }: ShownProcess,
  redact: (value: unknown) => unknown,
) {
  return { ...operatorView(record), request: requestView(request, redact), timeline };
}

/** The client's view of a process, and what only operators may know. */
export function operatorView(record: ProcessRecord) {
  const { links: _, ...view } = viewOf(record, "");
  return {
    ...view,
    owner: record.owner,
    fence: record.fence,
    reason: record.reason,
    deadLetter: record.deadLetter,
    released: record.released,
    jobId: record.jobId,
    webhook:
      record.notify === null
        ? null
        : { endpoint: record.notify, state: record.notifyState, attempts: record.notifyAttempt },
    mirror: record.mirror,
  };
}

/** Without the key and the body, of which only the length is shown: payloads are the clients' own. */
function requestView(request: StoredRequest | null, redact: (value: unknown) => unknown): unknown {
  if (request === null) return null;
  const { method, path, query, headers } = request.head;
  return redact({
    method,
    target: query === null ? path : `${path}?${query}`,
    headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    bodyBytes: request.body.length,
  });
}
