/** A process as server-sent events: one event a version, id = version, closed at the end of the process. */
import { Readable } from "node:stream";
import { isTerminal, viewOf, type ProcessRecord } from "@sticky-proxy/core/process";
import { waitFor, type WaitDeps } from "@sticky-proxy/engine";

/** An open stream ends after this; clients reconnect with Last-Event-ID. */
const maxStreamMs = 15 * 60_000;
/** A comment line this often keeps middleboxes from closing a silent connection. */
const heartbeatMs = 15_000;

/** @param seen the last version that the client has; 0: none */
export function eventStream(
  waiting: WaitDeps,
  record: ProcessRecord,
  seen: number,
  end: AbortSignal,
): Readable {
  return Readable.from(events(waiting, record, seen, end), { objectMode: false });
}

async function* events(
  waiting: WaitDeps,
  record: ProcessRecord,
  seen: number,
  end: AbortSignal,
): AsyncGenerator<string> {
  const until = waiting.clock.monotonic() + maxStreamMs;
  yield "retry: 1000\n\n";
  let sent = seen;
  let latest: ProcessRecord | null = record;
  for (;;) {
    if (latest === null) return;
    if (latest.version > sent) {
      sent = latest.version;
      yield `id: ${sent}\nevent: ${latest.status}\ndata: ${JSON.stringify(viewOf(latest, ""))}\n\n`;
    }
    if (isTerminal(latest.status) || end.aborted || waiting.clock.monotonic() >= until) return;
    const snapshot = await waitFor(waiting, record, ({ record: now }) => now === null || now.version > sent, {
      timeoutMs: heartbeatMs,
      signal: end,
      withResult: false,
    });
    latest = snapshot.record;
    if (latest !== null && latest.version === sent && !end.aborted) yield ": still here\n\n";
  }
}
