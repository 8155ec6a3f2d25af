/**
 * A process's timeline: what its record tells by itself, and the lines that are kept beside it. The birth and a plain
 * answer are told by the record, so a process that has only those writes no line.
 */
import type { ProcessRecord } from "./record.ts";
import type { TimelineEntry } from "./store.ts";

/** A kept line. `at`: epoch ms of the store's clock, when it was told first. */
export interface TimelineLine {
  readonly at: number;
  readonly entry: TimelineEntry;
  /** How often it was told in a row. */
  readonly count: number;
  /** When it was told last. */
  readonly lastAt: number;
}

/** Whether the record says it without a line: nothing is written for it. */
export function isToldByRecord({ event }: TimelineEntry): boolean {
  return event === "created" || event === "responded";
}

/** What may stand after the end. */
const afterEnd: ReadonlySet<string> = new Set([
  "superseded",
  "notified",
  "notify-retry",
  "notify-failed",
  "notify-again",
  "mirrored",
  "kept",
  "expired",
  "discarded",
  "late-report",
  "duplicate-report",
  "operator-cancel",
  "operator-rerun",
]);

/**
 * The timeline with what the record tells, oldest first. `count` and `lastAt` (epoch ms) stand where the same was told several
 * times in a row.
 * @param record null: it is gone, and only the lines are left
 */
export function wholeTimeline(
  record: ProcessRecord | null,
  lines: readonly TimelineLine[],
): readonly (TimelineEntry & { readonly at: string })[] {
  const told = lines.map(({ at, entry, count, lastAt }) => ({
    ...entry,
    ...(count === 1 ? {} : { count: String(count), lastAt: String(lastAt) }),
    at: String(at),
  }));
  if (record === null) return told;
  const born = { event: "created", operation: record.operation, at: String(record.createdAt) };
  const { endedAt } = record;
  // Every other end has a line of its own, which says `executed`.
  const isAnswered = record.executed === "yes" && record.httpStatus !== null && record.status !== "cancelled";
  if (endedAt === null || !isAnswered || lines.some(({ entry }) => "executed" in entry))
    return [born, ...told];
  const answered = {
    event: "responded",
    status: record.status,
    executed: "yes",
    ...(record.instance === null ? {} : { instance: record.instance, node: record.node ?? "" }),
    at: String(endedAt),
  };
  const after = lines.findIndex(
    ({ at, entry }) => at > endedAt || (at === endedAt && afterEnd.has(entry.event)),
  );
  const place = after === -1 ? told.length : after;
  return [born, ...told.slice(0, place), answered, ...told.slice(place)];
}
