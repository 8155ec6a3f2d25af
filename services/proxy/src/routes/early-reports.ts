/**
 * A webhook at a service's one fixed address may be quicker than the answer that tells the job's id, and may come to another
 * replica. It is read by the rules of the route that its job belongs to, kept for some seconds, and ends the process as soon as
 * that answer is here.
 */
import type { HeaderList } from "@sticky-proxy/core/http";
import { blankRecord, idText, type EarlyReport } from "@sticky-proxy/core/process";
import type { ProcessPolicy, Service } from "@sticky-proxy/core/registry";
import type { Processes } from "@sticky-proxy/engine";
import type { JsonText } from "@sticky-proxy/protocol/json";
import { jsonBody, type Reply } from "../reply.ts";
import { readAccepted } from "./accept-payload.ts";
import { applyReport, reportEvent, type ApplyReportDeps } from "./apply-report.ts";
import { completionReport } from "./report.ts";

/** How long one is kept; after it the sender is asked again, or refused. */
const keepMs = 30_000;

export interface EarlyWebhook {
  readonly jobId: string;
  readonly payload: JsonText;
  readonly lines: HeaderList;
  readonly body: Uint8Array;
}

/**
 * @returns null: it is not kept, so that it has to come again: too many are, it is too large, or nobody can say by which of
 *   several routes to read it
 * @throws Problem malformed-json, validation-failed
 */
export async function keepEarly(
  deps: ApplyReportDeps & { readonly processes: Processes },
  service: Service,
  webhook: EarlyWebhook,
): Promise<Reply | null> {
  const { store } = deps.processes;
  const { jobId } = webhook;
  const policy = policyOf(service, webhook);
  if (policy === null) return null;
  const report = readEarly(policy, webhook);
  if (report === null) return accepted; // a state on the way
  if (!(await store.keepEarly(service.name, jobId, report, keepMs))) return null;
  // The job may have become known meanwhile; then whoever takes the report first applies it.
  const ref = (await store.jobHolders(service.name, jobId)).at(-1);
  const taken = ref === undefined ? null : await store.takeEarly(service.name, jobId);
  if (ref === undefined || taken === null) return accepted;
  const { record } = await deps.processes.read(ref, { withResult: false });
  return record === null ? null : applyReport(deps, record, { ...taken, attempt: ref.attempt });
}

const accepted: Reply = {
  status: 202,
  headers: [
    ["Content-Type", "application/json"],
    ["Cache-Control", "no-store"],
  ],
  body: jsonBody({ accepted: true, cancelRequested: false }),
};

/** The rules that all routes agree on which find this job's id where the payload has it; null: they do not. */
function policyOf({ routes }: Service, { jobId, payload }: EarlyWebhook): ProcessPolicy | null {
  const fitting = routes.flatMap(({ process }) => {
    const pointer = process?.callback.correlate?.callback;
    return process && pointer !== undefined && idText(payload.at(pointer)) === jobId ? [process] : [];
  });
  const reading = ({ callback, maxResultBytes, failedWhen }: ProcessPolicy): string =>
    JSON.stringify([callback.accept, maxResultBytes, failedWhen]);
  return new Set(fitting.map(reading)).size === 1 ? fitting[0]! : null;
}

/** null: the work goes on. */
function readEarly(policy: ProcessPolicy, { payload, lines, body }: EarlyWebhook): EarlyReport | null {
  const { accept } = policy.callback;
  const report = accept === null ? completionReport(lines, body) : readAccepted(accept, payload, blankRecord);
  const { event } = reportEvent(report, lines, 0, policy);
  if (event.type !== "called-back" && event.type !== "reported-failure") return null;
  const { attempt: _unknown, ...rest } = event;
  return rest;
}
