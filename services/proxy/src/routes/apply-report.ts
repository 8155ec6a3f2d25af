/** Applies an authenticated report to its process and acknowledges it. */
import { createHash } from "node:crypto";
import { headerLines, type HeaderList } from "@sticky-proxy/core/http";
import {
  isTerminal,
  processId,
  resultId,
  type ProcessEvent,
  type ProcessRecord,
  type TimelineEntry,
} from "@sticky-proxy/core/process";
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import { saysFailure, type Processes } from "@sticky-proxy/engine";
import { lowerFields, Problem } from "@sticky-proxy/protocol";
import { jsonBody, type Reply } from "../reply.ts";
import { problemFields, processFields } from "../submit/process-reply.ts";
import type { RefusedNotes } from "./refused-notes.ts";
import type { Report } from "./report.ts";

export type CallbackOutcome = "accepted" | "duplicate" | "stale" | "unauthorized" | "too_large";

export interface ApplyReportDeps {
  readonly processes: Processes;
  readonly onCallback: (service: string, outcome: CallbackOutcome) => void;
  readonly refusedNotes: RefusedNotes;
}

/**
 * The event that a report means for the process.
 * @param attempt the attempt that the report is about (P10)
 * @param policy a larger response than it keeps is not stored; the process ends all the same, with the truth that it ran
 */
export function reportEvent(
  report: Report,
  lines: HeaderList,
  attempt: number,
  policy: Pick<ProcessPolicy, "maxResultBytes" | "failedWhen">,
): { readonly event: ProcessEvent; readonly isTooLarge: boolean } {
  if (report.kind === "running") {
    const event = { type: "heartbeat", attempt, percent: null, message: null, extendMs: null } as const;
    return { event, isTooLarge: false };
  }
  const { response } = report;
  const isTooLarge = response.body.length > policy.maxResultBytes;
  const result = isTooLarge ? null : { id: resultId(response), response };
  const message = messageOf(lines);
  if (report.kind === "completed") {
    const { status } = response;
    const judged = saysFailure(policy, response) ? { isFailure: true as const } : {};
    return { event: { type: "called-back", attempt, status, result, message, ...judged }, isTooLarge };
  }
  const { retryable, executed, reason } = report;
  const failure = { attempt, retryable, executed, reason, result, message };
  return { event: { type: "reported-failure", ...failure }, isTooLarge };
}

/** @returns the acknowledgement. @throws Problem unauthorized, execution-stale; StoreUnavailable */
export async function applyReport(
  deps: ApplyReportDeps,
  record: ProcessRecord,
  event: ProcessEvent,
): Promise<Reply> {
  const { processes } = deps;
  const applied = await processes.apply(record, event);
  if (applied.kind === "gone") throw unauthorized(deps, record.service);
  if (applied.kind === "refused") {
    deps.onCallback(record.service, "stale");
    const { status } = applied.record;
    await noteRefused(deps, record, { event: "late-report", report: event.type, status });
    throw new Problem("execution-stale", {
      processId: processId(record),
      service: record.service,
      headers: problemFields(applied.record, false),
      extensions: { cancelRequested: applied.record.cancelRequested },
    });
  }
  // Acknowledged only once it is as durable as the profile promises; a service without an acknowledgement reports again.
  await processes.confirm(applied.record);
  const duplicate = applied.kind === "same" && event.type !== "heartbeat";
  // From an authentic sender, and the same line is counted: repeats push nothing out.
  if (duplicate) await deps.processes.store.note(record, { event: "duplicate-report", report: event.type });
  deps.onCallback(record.service, duplicate ? "duplicate" : "accepted");
  const cancelRequested = applied.kind !== "not-due" && applied.record.cancelRequested;
  return acknowledgement(applied.record, duplicate, cancelRequested);
}

/** Keeps a refused report in its process's timeline, within what strangers may write there. @throws StoreUnavailable */
export async function noteRefused(
  { processes, refusedNotes }: Pick<ApplyReportDeps, "processes" | "refusedNotes">,
  record: ProcessRecord,
  entry: TimelineEntry,
): Promise<void> {
  const note = refusedNotes.next(record, entry);
  if (note !== null) await processes.store.note(record, note);
}

/** One answer to everything that is not authentic or not known, so that ids cannot be probed. */
export function unauthorized(deps: Pick<ApplyReportDeps, "onCallback">, service: string): Problem {
  deps.onCallback(service, "unauthorized");
  return new Problem("unauthorized", { headers: { "WWW-Authenticate": "Sticky-Execution" } });
}

export function acknowledgement(record: ProcessRecord, duplicate: boolean, cancelRequested = false): Reply {
  return {
    status: 200,
    headers: [
      ["Content-Type", "application/json"],
      ["Cache-Control", "no-store"],
      ...processFields(record, "gateway", duplicate),
    ],
    body: jsonBody(
      duplicate
        ? { accepted: true, duplicate: true }
        : { accepted: true, cancelRequested: cancelRequested && isTerminal(record.status) },
    ),
  };
}

/** A digest of webhook-id, which senders repeat with a message; short, since it is kept in the record. */
function messageOf(lines: HeaderList): string | null {
  const [id, more] = headerLines(lines, lowerFields.webhookId);
  if (id === undefined || id === "" || more !== undefined) return null;
  return createHash("sha256").update(id).digest("base64url").slice(0, 22);
}
