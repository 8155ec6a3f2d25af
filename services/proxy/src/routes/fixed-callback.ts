/**
 * The webhook of a job server that knows one fixed address: the job's id stands in the payload, and the report ends every
 * process that holds that id.
 */
import type { JsonText } from "@sticky-proxy/protocol/json";
import {
  idText,
  processId,
  type PinnedRules,
  type ProcessRecord,
  type Rules,
} from "@sticky-proxy/core/process";
import { readReport, type PinnedRuleBook } from "@sticky-proxy/engine";
import type { Service } from "@sticky-proxy/core/registry";
import { Problem } from "@sticky-proxy/protocol";
import type { Context } from "koa";
import type { Reply } from "../reply.ts";
import { readAccepted } from "./accept-payload.ts";
import {
  acknowledgement,
  applyReport,
  reportEvent,
  unauthorized,
  type ApplyReportDeps,
} from "./apply-report.ts";
import { keepEarly } from "./early-reports.ts";
import { useOfMessage } from "./message-use.ts";
import { completionReport, type Report } from "./report.ts";
import { linesOf, type RouteContext } from "./route-context.ts";
import { createUnknownJobs } from "./unknown-jobs.ts";
import { readableBytes, type CallbackVerifier } from "./verify-callback.ts";

export interface FixedCallbackDeps extends ApplyReportDeps {
  readonly verifier: CallbackVerifier;
  readonly rules: Pick<PinnedRuleBook, "learn" | "standing" | "rulesOf" | "pinned" | "ofService">;
  readonly findService: (name: string) => Service | null;
  readonly readBody: (ctx: Context, maxBytes: number) => Promise<Uint8Array>;
  readonly write: (ctx: Context, reply: Reply) => void;
}

/** One process that holds the job's id. */
interface Job {
  readonly record: ProcessRecord;
  readonly rules: Rules;
  /** The attempt that made the job (P10). */
  readonly attempt: number;
}

export function fixedCallbackRoute(deps: FixedCallbackDeps): (ctx: RouteContext) => Promise<void> {
  const unknownJobs = createUnknownJobs(() => deps.processes.now());
  return async function receiveFixedCallback(ctx) {
    const { processes, verifier } = deps;
    const lines = linesOf(ctx);
    const name = ctx.params["service"] ?? "";
    const service = deps.findService(name);
    const body = await deps.readBody(ctx, readableBytes(service === null ? [] : [service]));
    // Another replica knows the service: its shared token and keys are in that one's file.
    if (service === null && (await deps.rules.ofService(name)).length > 0) throw rulesUnknown(name);
    const proof = service === null ? null : verifier.verifyFixed(service, lines, body, processes.now());
    if (service === null || proof === null) throw unauthorized(deps, service?.name ?? "unknown");
    const payload = readReport(lines, body);
    if (payload === null) throw new Problem("malformed-json", { detail: "The callback cannot be read." });
    const own = jobIds(service.routes, payload);
    let jobs = await findJobs(deps, service, own);
    // A job that was begun under other pointers, before a reload or by a replica with another file.
    const others = jobs.length === 0 ? jobIds(await deps.rules.ofService(name), payload) : [];
    if (jobs.length === 0) jobs = await findJobs(deps, service, others);
    const jobId = own[0] ?? others[0];
    if (jobId === undefined)
      throw new Problem("validation-failed", { detail: "The callback names no job, or names it twice." });
    if (jobs.length === 0) {
      if (!unknownJobs.isEarly(service.name, jobId)) throw unauthorized(deps, service.name);
      const reply = await keepEarly(deps, service, { jobId, payload, lines, body });
      if (reply !== null) {
        await useOfMessage(deps, name, proof, `callbacks early ${jobId}`);
        return deps.write(ctx, reply);
      }
      throw new Problem("store-unavailable", {
        detail: "No process is known for this job yet.",
        headers: { "Retry-After": "1" },
      });
    }
    const named = jobs.map(({ record, attempt }) => `${processId(record)} ${attempt}`);
    const use = await useOfMessage(deps, name, proof, `callbacks ${named.join(" ")}`);
    const replies = await Promise.allSettled(
      jobs.map((job) => settle(deps, job, readJobReport(job, payload, ctx, body), ctx, use)),
    );
    deps.write(ctx, firstReply(replies));
  };
}

function readJobReport(
  { record, rules }: Job,
  payload: JsonText,
  ctx: RouteContext,
  body: Uint8Array,
): Report {
  const { accept } = rules.policy.callback;
  return accept === null ? completionReport(linesOf(ctx), body) : readAccepted(accept, payload, record);
}

/** A sign of life that comes again is none. */
async function settle(
  deps: FixedCallbackDeps,
  { record, rules, attempt }: Job,
  report: Report,
  ctx: RouteContext,
  use: "first" | "again",
): Promise<Reply> {
  if (report.kind === "running" && use === "again") return acknowledgement(record, true);
  const { event, isTooLarge } = reportEvent(report, linesOf(ctx), attempt, rules.policy);
  if (isTooLarge) deps.onCallback(record.service, "too_large");
  return applyReport(deps, record, event);
}

/** The acknowledgement of the first process that took the report. @throws what the first one refused it with */
function firstReply(replies: readonly PromiseSettledResult<Reply>[]): Reply {
  for (const reply of replies) if (reply.status === "fulfilled") return reply.value;
  throw (replies[0] as PromiseRejectedResult).reason;
}

/** The holders of the first id that somebody holds. */
async function findJobs(
  { processes, rules }: FixedCallbackDeps,
  service: Service,
  ids: readonly string[],
): Promise<readonly Job[]> {
  for (const jobId of ids) {
    const held = await processes.store.jobHolders(service.name, jobId);
    const jobs = await Promise.all(
      held.map(async (ref): Promise<Job | null> => {
        const { record } = await processes.read(ref, { withResult: false });
        if (record === null || record.service !== service.name) return null;
        return { record, rules: await rulesOf(rules, record), attempt: ref.attempt };
      }),
    );
    const found = jobs.filter((job) => job !== null);
    if (found.length > 0) return found;
  }
  return [];
}

/** The rules that the process began with. @throws Problem rules-unknown */
export async function rulesOf(rules: FixedCallbackDeps["rules"], record: ProcessRecord): Promise<Rules> {
  await rules.learn(record);
  if (rules.standing(record) === "no-rules") throw rulesUnknown(record.service);
  return rules.rulesOf(record);
}

export function rulesUnknown(service: string): Problem {
  return new Problem("rules-unknown", { service, headers: { "Retry-After": "2" } });
}

/** The ids that the payload has where the routes say that it names its job. */
function jobIds(routes: readonly Pick<PinnedRules, "process">[], payload: JsonText): readonly string[] {
  return routes.flatMap(({ process }) => {
    const pointer = process?.callback.correlate?.callback;
    return (pointer === undefined ? null : idText(payload.at(pointer))) ?? [];
  });
}
