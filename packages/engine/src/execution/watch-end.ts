/** Notices that another node ended the process, or took its attempt over, while this one waits for the service. */
import { isTerminal, type Changes, type ProcessRecord } from "@sticky-proxy/core/process";

export interface EndWatch {
  /** The record as it stands then. Never rejects; pending for ever when nothing happens. */
  readonly ended: Promise<ProcessRecord>;
  close(): void;
}

export interface EndWatchDeps {
  readonly changes: Changes;
  readonly current: (record: ProcessRecord) => Promise<ProcessRecord>;
  readonly onFailure: (what: string, error: unknown) => void;
}

/** @param abort closes the connection to the service; a callback that outran its own 202 leaves it alone */
export function watchEnd(
  { changes, current, onFailure }: EndWatchDeps,
  record: ProcessRecord,
  abort: AbortController,
): EndWatch {
  const { promise: ended, resolve } = Promise.withResolvers<ProcessRecord>();
  const watch = changes.watch(record, () => {
    current(record).then(
      (now) => {
        // A lower attempt: a fail-over has forgotten this one; its answer, or its end, says so then.
        if (now.attempt <= record.attempt && !isTerminal(now.status)) return;
        if (now.status !== "completed") abort.abort();
        resolve(now);
      },
      (error: unknown) => onFailure("watching a process", error),
    );
  });
  return { ended, close: () => watch.close() };
}
