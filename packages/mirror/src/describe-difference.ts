/** Difference records of the drain: both responses without their bodies. Pure. */
import type { DifferenceSide, NewDifference, OutboxEntry, ParkedKey } from "@sticky-proxy/core/mirror";
import { type ProcessRecord, processId } from "@sticky-proxy/core/process";
import type { SecondaryOutcome } from "./secondary.ts";
import type { Compared } from "./comparer.ts";
import type { MirrorRoute } from "./mirrored-routes.ts";

const noAnswer: DifferenceSide = {
  instance: null,
  status: null,
  latencyMs: null,
  bodySha256: null,
  bodyBytes: null,
  error: null,
};

export interface DescribedPair {
  readonly entry: OutboxEntry;
  readonly found: MirrorRoute;
  readonly record: ProcessRecord;
  readonly answer: Extract<SecondaryOutcome, { kind: "answered" }>;
  readonly compared: Compared;
  readonly attempts: number;
  readonly concurrent: boolean;
}

/** Both responses differ. Under concurrent writes the cause is unknown: class `race`. */
export function describeDifference(pair: DescribedPair): NewDifference {
  const { entry, found, record, answer, compared, attempts, concurrent } = pair;
  const { comparison } = compared;
  return {
    ...common(entry, found, record),
    class: concurrent ? "race" : comparison.class!,
    sides: {
      primary: {
        ...primarySide(record),
        bodySha256: compared.primary.sha256,
        bodyBytes: compared.primary.bytes,
      },
      secondary: {
        instance: answer.instance,
        status: answer.status,
        latencyMs: Math.round(answer.latencyMs),
        bodySha256: compared.secondary.sha256,
        bodyBytes: compared.secondary.bytes,
        error: null,
      },
    },
    edits: comparison.edits,
    truncated: comparison.truncated,
    masked: comparison.masked,
    attempts,
    concurrent,
  };
}

/** The secondary has no response to compare, and no further attempt follows. `answer` null: no request was sent. */
export function unansweredDifference(
  entry: OutboxEntry,
  found: MirrorRoute,
  record: ProcessRecord,
  answer: Extract<SecondaryOutcome, { kind: "failed" }> | null,
  attempts: number,
  error: string,
): NewDifference {
  const failure = answer?.failure;
  return {
    ...common(entry, found, record),
    class: failure?.kind === "no-answer" && failure.timedOut ? "timeout" : "error",
    sides: {
      primary: primarySide(record),
      secondary: {
        ...noAnswer,
        instance: answer?.instance ?? null,
        status: failure?.kind === "try-later" ? failure.status : null,
        latencyMs: answer === null ? null : Math.round(answer.latencyMs),
        error,
      },
    },
    edits: [],
    truncated: false,
    masked: 0,
    attempts,
    concurrent: false,
  };
}

/** Whether the primary ran the request is unknown; it was not sent to the secondary. */
export function unknownPrimary(
  entry: OutboxEntry,
  found: MirrorRoute | null,
  record: ProcessRecord,
): NewDifference {
  return {
    ...common(entry, found, record),
    class: "primary-unknown",
    sides: {
      primary: { ...primarySide(record), error: record.problem ?? record.reason },
      secondary: noAnswer,
    },
    edits: [],
    truncated: false,
    masked: 0,
    attempts: 0,
    concurrent: false,
  };
}

/** An operator dropped the copy. */
export function skippedDifference(
  entry: OutboxEntry,
  found: MirrorRoute | null,
  record: ProcessRecord,
  { skip, attempts, error }: ParkedKey,
): NewDifference {
  return {
    ...common(entry, found, record),
    class: "error",
    sides: {
      primary: primarySide(record),
      secondary: { ...noAnswer, error: `dropped by ${skip?.by}: ${skip?.why} (${error})`.slice(0, 512) },
    },
    edits: [],
    truncated: false,
    masked: 0,
    attempts,
    concurrent: false,
  };
}

function common(entry: OutboxEntry, found: MirrorRoute | null, record: ProcessRecord) {
  return {
    processId: processId(record),
    service: entry.service,
    secondary: found?.secondary.name ?? "",
    route: entry.route,
    operation: record.operation,
    orderKey: entry.orderKey,
    configVersion: entry.configVersion,
  };
}

/** The record does not name the instance, and its duration includes the wait for a callback. */
function primarySide(record: ProcessRecord): DifferenceSide {
  return { ...noAnswer, status: record.httpStatus, latencyMs: primaryMs(record) };
}

export function primaryMs({ startedAt, endedAt }: ProcessRecord): number | null {
  return startedAt === null || endedAt === null ? null : endedAt - startedAt;
}
