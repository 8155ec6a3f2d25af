/**
 * The execution API: services complete, fail and report progress on any replica. Bad or missing credentials, bad
 * signatures and unknown processes all look alike (401); the cause stands in the log and, where there is a process,
 * in its timeline.
 */
import type { JsonText } from "@sticky-proxy/protocol/json";
import Router from "@koa/router";
import { createHash } from "node:crypto";
import { headerLines, headerList, type HeaderList } from "@sticky-proxy/core/http";
import {
  idText,
  isTerminal,
  processId,
  resultId,
  type ProcessEvent,
  type ProcessRecord,
  type Rules,
} from "@sticky-proxy/core/process";
import { readReport, type Processes } from "@sticky-proxy/engine";
import type { Service } from "@sticky-proxy/core/registry";
import {
  executionApiPath,
  lowerFields,
  parseCompletion,
  parseFailure,
  parseHeartbeat,
  parseProcessId,
  Problem,
  resultMediaType,
} from "@sticky-proxy/protocol";
import type { Context } from "koa";
import { jsonBody, type Reply } from "../reply.ts";
import { problemFields, processFields } from "../submit/process-reply.ts";
import { readableBytes, type CallbackVerifier, type Proof } from "./verify-callback.ts";
import { readAccepted, saysState, type Report } from "./accept-payload.ts";
import { createUnknownJobs } from "./unknown-jobs.ts";

export type CallbackOutcome = "accepted" | "duplicate" | "stale" | "unauthorized" | "too_large";

export interface ExecutionRouteDeps {
  readonly processes: Processes;
  readonly verifier: CallbackVerifier;
  readonly find: (record: ProcessRecord) => { service: Service; rules: Rules } | null;
  readonly findService: (name: string) => Service | null;
  readonly readBody: (ctx: Context, maxBytes: number) => Promise<Uint8Array>;
  readonly write: (ctx: Context, reply: Reply) => void;
  readonly onCallback: (service: string, outcome: CallbackOutcome) => void;
  readonly maxHeartbeatBytes: number;
}

export function executionRoutes(deps: ExecutionRouteDeps): Router {
  const { processes, verifier, write } = deps;
  const unknownJobs = createUnknownJobs(() => processes.now());
  const router = new Router();

  router.post(`${executionApiPath}/:id/:action`, async (ctx) => {
    const action = ctx.params["action"];
    if (action !== "complete" && action !== "fail" && action !== "heartbeat")
      throw unauthorized(deps, "unknown");
    const { record, service, rules, proof, body } = await authenticate(ctx, ctx.params["id"] ?? "", action);
    if (action === "heartbeat") {
      const { progress, extendMs } = parseHeartbeat({ headers: linesOf(ctx), body });
      const event: ProcessEvent = {
        type: "heartbeat",
        attempt: proof.attempt ?? record.attempt,
        percent: progress?.percent ?? null,
        message: progress?.message ?? null,
        extendMs,
      };
      await settle(ctx, record, event);
      return;
    }
    const report = action === "fail" ? failure(ctx, body) : completed(ctx, record, rules, proof, body);
    await take(ctx, record, service, rules, report, proof.attempt ?? record.attempt);
  });

  /** A job server with one fixed webhook address: the job's id stands in the payload. */
  router.post("/_sticky/v1/callbacks/:service", async (ctx) => {
    const service = deps.findService(ctx.params["service"] ?? "");
    const body = await deps.readBody(ctx, readableBytes(service === null ? [] : [service]));
    if (service === null || !verifier.verifyFixed(service, linesOf(ctx), body, processes.now())) {
      throw unauthorized(deps, service?.name ?? "unknown");
    }
    const payload = readReport(linesOf(ctx), body);
    if (payload === null) throw new Problem("malformed-json", { detail: "The callback cannot be read." });
    const jobId = jobIdOf(service, payload);
    if (jobId === null)
      throw new Problem("validation-failed", { detail: "The callback names no job, or names it twice." });
    const ref = await processes.store.correlated(service.name, jobId);
    const snapshot = ref === null ? null : await processes.read(ref, { withResult: false });
    const record = snapshot?.record ?? null;
    const found = record === null ? null : deps.find(record);
    if (ref === null || record === null || found === null || found.service.name !== service.name) {
      // The index is written before a process counts as accepted: a webhook that is quicker is asked to come again.
      if (!unknownJobs.isEarly(service.name, jobId)) throw unauthorized(deps, service.name);
      throw new Problem("store-unavailable", {
        detail: "No process is known for this job yet.",
        headers: { "Retry-After": "1" },
      });
    }
    const { accept } = found.rules.policy.callback;
    const report = accept === null ? completion(ctx, body) : readAccepted(accept, payload, record);
    await take(ctx, record, service, found.rules, report, ref.attempt); // the attempt that made the job, P10
  });

  async function take(
    ctx: Context,
    record: ProcessRecord,
    service: Service,
    rules: Rules,
    report: Report,
    attempt: number,
  ): Promise<void> {
    if (report.kind === "running") {
      await settle(ctx, record, { type: "heartbeat", attempt, percent: null, message: null, extendMs: null });
      return;
    }
    const { response } = report;
    // What cannot be kept ends the process at once, and truthfully: it ran.
    const isKept = response.body.length <= rules.policy.maxResultBytes;
    if (!isKept) deps.onCallback(service.name, "too_large");
    const result = isKept ? { id: resultId(response), response } : null;
    const message = messageOf(linesOf(ctx));
    if (report.kind === "completed") {
      const { status } = response;
      await settle(ctx, record, { type: "called-back", attempt, status, result, message });
      return;
    }
    const { retryable, executed, reason } = report;
    const failure = { attempt, retryable, executed, reason, result, message };
    await settle(ctx, record, { type: "reported-failure", ...failure });
  }

  async function authenticate(ctx: Context, processText: string, action: string) {
    const id = parseProcessId(processText);
    const lines = linesOf(ctx);
    // The body is read before the record is known, so the bound is the largest that any service may send.
    const body = await deps.readBody(
      ctx,
      action === "heartbeat" ? deps.maxHeartbeatBytes : verifier.largestBody,
    );
    const snapshot = id === null ? null : await processes.read(id, { withResult: false });
    const record = snapshot?.record ?? null;
    const found = record === null ? null : deps.find(record);
    const proof: Proof | null =
      record === null || found === null
        ? verifier.refuse(lines, body, processes.now())
        : verifier.verify(found.service, processId(record), lines, queryToken(ctx), body, snapshot?.now ?? 0);
    if (record === null || found === null || proof === null) {
      if (record !== null) await processes.store.note(record, { event: "callback-unauthorized" });
      throw unauthorized(deps, record?.service ?? "unknown");
    }
    return { record, service: found.service, rules: found.rules, proof, body };
  }

  async function settle(ctx: Context, record: ProcessRecord, event: ProcessEvent): Promise<void> {
    const applied = await processes.apply(record, event);
    if (applied.kind === "gone") throw unauthorized(deps, record.service);
    if (applied.kind === "refused") {
      deps.onCallback(record.service, "stale");
      await processes.store.note(record, {
        event: "late-report",
        report: event.type,
        status: applied.record.status,
      });
      throw new Problem("execution-stale", {
        processId: processId(record),
        service: record.service,
        headers: problemFields(applied.record, false),
        extensions: { cancelRequested: applied.record.cancelRequested },
      });
    }
    // Not acknowledged before it is as safe as the profile says; without that the service reports again.
    if (processes.confirm !== null && isTerminal(applied.record.status)) await processes.confirm();
    const duplicate = applied.kind === "same" && event.type !== "heartbeat";
    deps.onCallback(record.service, duplicate ? "duplicate" : "accepted");
    const cancelRequested = applied.kind !== "not-due" && applied.record.cancelRequested;
    write(ctx, {
      status: 200,
      headers: [...jsonType, ...processFields(applied.record, "gateway", duplicate)],
      body: jsonBody(
        duplicate
          ? { accepted: true, duplicate: true }
          : { accepted: true, cancelRequested: cancelRequested && isTerminal(applied.record.status) },
      ),
    });
  }

  return router;
}

const jsonType: HeaderList = [
  ["Content-Type", "application/json"],
  ["Cache-Control", "no-store"],
];

/**
 * Where the route says how to read the service's own form, it is read so. Who can send a token as a header field may
 * speak the gateway's form there too: by its media type, or by saying nothing where the own form has its word.
 */
function completed(
  ctx: Context,
  record: ProcessRecord,
  { policy }: Rules,
  { via }: Proof,
  body: Uint8Array,
): Report {
  const { accept } = policy.callback;
  if (accept === null) return completion(ctx, body);
  const payload = readReport(linesOf(ctx), body);
  const isOurs = via === "header" && (ctx.is(resultMediaType) !== false || !saysState(accept, payload));
  return isOurs ? completion(ctx, body) : readAccepted(accept, payload, record);
}

function completion(ctx: Context, body: Uint8Array): Report {
  const { status, headers, body: content } = parseCompletion({ headers: linesOf(ctx), body });
  return { kind: "completed", response: { status, headers, body: content } };
}

/** A failure report is kept as the answer that clients will get: 502 unless it names an error status of its own. */
function failure(ctx: Context, body: Uint8Array): Report {
  const { retryable, executed, title, status } = parseFailure({ headers: linesOf(ctx), body });
  return {
    kind: "failed",
    retryable,
    executed,
    reason: (title ?? "reported").slice(0, 60),
    response: {
      status: status !== null && status >= 400 ? status : 502,
      headers: [["Content-Type", "application/problem+json"]],
      body: body.length === 0 ? jsonBody({ title: "The service reported a failure", status: 502 }) : body,
    },
  };
}

function jobIdOf(service: Service, payload: JsonText): string | null {
  for (const route of service.routes) {
    const pointer = route.process?.callback.correlate?.callback;
    const id = pointer === undefined ? null : idText(payload.at(pointer));
    if (id !== null) return id;
  }
  return null;
}

/** A digest of webhook-id, which senders repeat with a message; short, since it is kept in the record. */
function messageOf(lines: HeaderList): string | null {
  const [id, more] = headerLines(lines, lowerFields.webhookId);
  if (id === undefined || id === "" || more !== undefined) return null;
  return createHash("sha256").update(id).digest("base64url").slice(0, 22);
}

/** `?sticky=<token>` for services that cannot send header fields; redacted in every log. */
function queryToken(ctx: Context): string | null {
  const token = ctx.query["sticky"];
  return typeof token === "string" ? token : null;
}

function unauthorized(deps: ExecutionRouteDeps, service: string): Problem {
  deps.onCallback(service, "unauthorized");
  return new Problem("unauthorized", { headers: { "WWW-Authenticate": "Sticky-Execution" } });
}

function linesOf(ctx: Context): HeaderList {
  return headerList(ctx.req.rawHeaders);
}
