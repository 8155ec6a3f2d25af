/**
 * The execution API: services complete, fail and report progress on any replica. Bad or missing credentials, bad
 * signatures and unknown processes all look alike (401); the cause stands in the log and, where there is a process,
 * in its timeline.
 */
import type { JsonText } from "@sticky-proxy/protocol/json";
import Router from "@koa/router";
import {
  idText,
  processId,
  type PinnedRules,
  type ProcessRecord,
  type Rules,
} from "@sticky-proxy/core/process";
import { readReport, type PinnedRuleBook, type Processes } from "@sticky-proxy/engine";
import type { Service } from "@sticky-proxy/core/registry";
import {
  executionApiPath,
  parseHeartbeat,
  parseProcessId,
  Problem,
  resultMediaType,
} from "@sticky-proxy/protocol";
import type { Context } from "koa";
import type { Reply } from "../reply.ts";
import { readAccepted, saysState } from "./accept-payload.ts";
import {
  applyReport,
  noteRefused,
  reportEvent,
  unauthorized,
  type ApplyReportDeps,
  type CallbackOutcome,
} from "./apply-report.ts";
import { keepEarly } from "./early-reports.ts";
import { completionReport, failureReport, type Report } from "./report.ts";
import { linesOf, type RouteContext } from "./route-context.ts";
import { createUnknownJobs, type UnknownJobs } from "./unknown-jobs.ts";
import { readableBytes, type CallbackVerifier, type Proof } from "./verify-callback.ts";

export interface ExecutionRouteDeps extends ApplyReportDeps {
  readonly processes: Processes;
  readonly verifier: CallbackVerifier;
  readonly rules: Pick<PinnedRuleBook, "learn" | "standing" | "rulesOf" | "pinned" | "ofService">;
  readonly findService: (name: string) => Service | null;
  readonly readBody: (ctx: Context, maxBytes: number) => Promise<Uint8Array>;
  readonly write: (ctx: Context, reply: Reply) => void;
  readonly onCallback: (service: string, outcome: CallbackOutcome) => void;
  readonly maxHeartbeatBytes: number;
}

export function executionRoutes(deps: ExecutionRouteDeps): Router {
  const unknownJobs = createUnknownJobs(() => deps.processes.now());
  const router = new Router();
  router.post(`${executionApiPath}/:id/:action`, (ctx) => receiveReport(deps, ctx));
  router.post("/_sticky/v1/callbacks/:service", (ctx) => receiveFixedCallback(deps, unknownJobs, ctx));
  return router;
}

/** A report at the address that the service got with the attempt: complete, fail or heartbeat. */
async function receiveReport(deps: ExecutionRouteDeps, ctx: RouteContext): Promise<void> {
  const action = ctx.params["action"];
  if (action !== "complete" && action !== "fail" && action !== "heartbeat")
    throw unauthorized(deps, "unknown");
  const lines = linesOf(ctx);
  const { record, rules, proof, body } = await authenticate(deps, ctx, action === "heartbeat");
  const attempt = proof.attempt ?? record.attempt;
  if (action === "heartbeat") {
    const { progress, extendMs } = parseHeartbeat({ headers: lines, body });
    const { percent = null, message = null } = progress ?? {};
    const event = { type: "heartbeat", attempt, percent, message, extendMs } as const;
    return deps.write(ctx, await applyReport(deps, record, event));
  }
  const report =
    action === "fail" ? failureReport(lines, body) : completedReport(ctx, record, rules, proof, body);
  await settle(deps, ctx, { record, rules, report, attempt });
}

/** The webhook of a job server that knows one fixed address: the job's id stands in the payload. */
async function receiveFixedCallback(
  deps: ExecutionRouteDeps,
  unknownJobs: UnknownJobs,
  ctx: RouteContext,
): Promise<void> {
  const { processes, verifier } = deps;
  const lines = linesOf(ctx);
  const name = ctx.params["service"] ?? "";
  const service = deps.findService(name);
  const body = await deps.readBody(ctx, readableBytes(service === null ? [] : [service]));
  // Another replica knows the service: its shared token and keys are in that one's file.
  if (service === null && (await deps.rules.ofService(name)).length > 0) throw rulesUnknown(name);
  if (service === null || !verifier.verifyFixed(service, lines, body, processes.now())) {
    throw unauthorized(deps, service?.name ?? "unknown");
  }
  const payload = readReport(lines, body);
  if (payload === null) throw new Problem("malformed-json", { detail: "The callback cannot be read." });
  const own = jobIds(service.routes, payload);
  let found = await findJob(deps, service, own);
  // A job that was begun under other pointers, before a reload or by a replica with another file.
  const others = found === null ? jobIds(await deps.rules.ofService(name), payload) : [];
  found ??= await findJob(deps, service, others);
  const jobId = own[0] ?? others[0];
  if (jobId === undefined)
    throw new Problem("validation-failed", { detail: "The callback names no job, or names it twice." });
  if (found === null) {
    if (!unknownJobs.isEarly(service.name, jobId)) throw unauthorized(deps, service.name);
    const reply = await keepEarly(deps, service, { jobId, payload, lines, body });
    if (reply !== null) return deps.write(ctx, reply);
    throw new Problem("store-unavailable", {
      detail: "No process is known for this job yet.",
      headers: { "Retry-After": "1" },
    });
  }
  const { record, rules, attempt } = found;
  const { accept } = rules.policy.callback;
  const report = accept === null ? completionReport(lines, body) : readAccepted(accept, payload, record);
  await settle(deps, ctx, { record, rules, report, attempt });
}

/** The process of a job, with the attempt that made the job (P10); null: none that is known. */
async function findJob(
  { processes, rules }: ExecutionRouteDeps,
  service: Service,
  jobIds: readonly string[],
) {
  for (const jobId of jobIds) {
    const ref = await processes.store.correlated(service.name, jobId);
    if (ref === null) continue;
    const { record } = await processes.read(ref, { withResult: false });
    if (record === null || record.service !== service.name) continue;
    return { record, rules: await rulesOf(rules, record), attempt: ref.attempt };
  }
  return null;
}

/** The rules that the process began with. @throws Problem rules-unknown */
async function rulesOf(rules: ExecutionRouteDeps["rules"], record: ProcessRecord): Promise<Rules> {
  await rules.learn(record);
  if (rules.standing(record) === "no-rules") throw rulesUnknown(record.service);
  return rules.rulesOf(record);
}

function rulesUnknown(service: string): Problem {
  return new Problem("rules-unknown", { service, headers: { "Retry-After": "2" } });
}

interface Settled {
  readonly record: ProcessRecord;
  readonly rules: Rules;
  readonly report: Report;
  readonly attempt: number;
}

async function settle(
  deps: ExecutionRouteDeps,
  ctx: Context,
  { record, rules, report, attempt }: Settled,
): Promise<void> {
  const { event, isTooLarge } = reportEvent(report, linesOf(ctx), attempt, rules.policy);
  if (isTooLarge) deps.onCallback(record.service, "too_large");
  deps.write(ctx, await applyReport(deps, record, event));
}

/** @throws Problem unauthorized, for an unknown process as for a bad proof and in the same time */
async function authenticate(deps: ExecutionRouteDeps, ctx: RouteContext, isHeartbeat: boolean) {
  const { processes, verifier } = deps;
  const id = parseProcessId(ctx.params["id"] ?? "");
  const lines = linesOf(ctx);
  // The body is read before the record is known, so the bound is the largest that any service may send.
  const body = await deps.readBody(ctx, isHeartbeat ? deps.maxHeartbeatBytes : verifier.largestBody);
  const snapshot = id === null ? null : await processes.read(id, { withResult: false });
  const record = snapshot?.record ?? null;
  const at = snapshot?.now ?? processes.now();
  if (record === null) {
    verifier.refuse(lines, body, at);
    throw unauthorized(deps, "unknown");
  }
  await deps.rules.learn(record);
  const judged = {
    processId: processId(record),
    service: deps.findService(record.service),
    pinned: deps.rules.pinned(record),
  };
  const proof = verifier.verify(judged, lines, queryToken(ctx), body, at);
  if (proof === "refused") {
    await noteRefused(deps, record, { event: "callback-unauthorized" });
    throw unauthorized(deps, record.service);
  }
  if (proof === "cannot-tell") throw rulesUnknown(record.service);
  return { record, rules: await rulesOf(deps.rules, record), proof, body };
}

/**
 * Reads the service's own form where the route describes one (`callback.accept`). A service that can send its token
 * as a header field may use the gateway's form there too: it is recognised by its media type, or because the payload
 * has no state where the service's form has one.
 */
function completedReport(
  ctx: Context,
  record: ProcessRecord,
  { policy }: Rules,
  { via }: Proof,
  body: Uint8Array,
): Report {
  const { accept } = policy.callback;
  const lines = linesOf(ctx);
  if (accept === null) return completionReport(lines, body);
  const payload = readReport(lines, body);
  const isOurs = via === "header" && (ctx.is(resultMediaType) !== false || !saysState(accept, payload));
  return isOurs ? completionReport(lines, body) : readAccepted(accept, payload, record);
}

/** The ids that the payload has where the routes say that it names its job. */
function jobIds(routes: readonly Pick<PinnedRules, "process">[], payload: JsonText): readonly string[] {
  return routes.flatMap(({ process }) => {
    const pointer = process?.callback.correlate?.callback;
    return (pointer === undefined ? null : idText(payload.at(pointer))) ?? [];
  });
}

/** `?sticky=<token>` for services that cannot send header fields; redacted in every log. */
function queryToken(ctx: Context): string | null {
  const token = ctx.query["sticky"];
  return typeof token === "string" ? token : null;
}
