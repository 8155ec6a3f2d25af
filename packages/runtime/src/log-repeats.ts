/**
 * Limits repeated warnings and errors. Lines are equal when event, task and error (name, code, message without its
 * numbers) are; a different error of the same event is another line. One event has a larger limit of its own, so
 * that messages that all differ do not flood the log either.
 */
import type { Clock } from "@sticky-proxy/protocol";

type LogFields = Readonly<Record<string, unknown>>;

/** Limits per window: equal lines, and lines of one event. */
const likeLimit = 10;
const eventLimit = 100;
const windowMs = 10_000;
const maxTracked = 1000;
const maxMessage = 200;

interface Seen {
  until: number;
  count: number;
  suppressed: number;
}

export interface LogRepeats {
  /** Number of equal lines that were suppressed before this one; null: this one is suppressed too. */
  admit(event: string, fields: LogFields | undefined): number | null;
}

export function createLogRepeats({ monotonic }: Pick<Clock, "monotonic">): LogRepeats {
  const alike = new Map<string, Seen>();
  const events = new Map<string, Seen>();

  function count(known: Map<string, Seen>, key: string): Seen {
    const now = monotonic();
    let seen = known.get(key);
    if (seen === undefined) {
      if (known.size >= maxTracked) known.clear();
      known.set(key, (seen = { until: now + windowMs, count: 0, suppressed: 0 }));
    } else if (now >= seen.until) {
      seen.until = now + windowMs;
      seen.count = 0;
    }
    seen.count += 1;
    return seen;
  }

  return {
    admit(event, fields) {
      const ofEvent = count(events, event);
      const seen = count(alike, keyOf(event, fields));
      if (seen.count > likeLimit || ofEvent.count > eventLimit) {
        seen.suppressed += 1;
        // Suppressed lines do not count against the event's limit.
        if (seen.count > likeLimit) ofEvent.count -= 1;
        return null;
      }
      const { suppressed } = seen;
      seen.suppressed = 0;
      return suppressed;
    },
  };
}

function keyOf(event: string, fields: LogFields | undefined): string {
  const { err, task } = fields ?? {};
  const ofTask = typeof task === "string" ? `${event} ${task}` : event;
  if (!(err instanceof Error)) return typeof err === "string" ? `${ofTask} ${shapeOf(err)}` : ofTask;
  const { code } = err as { code?: unknown };
  return `${ofTask} ${err.name} ${typeof code === "string" ? code : ""} ${shapeOf(err.message)}`;
}

/** Ports, times and counts differ between repeats of one error. */
function shapeOf(message: string): string {
  return message.slice(0, maxMessage).replace(/\d+/g, "0");
}
