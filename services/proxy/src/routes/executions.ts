/**
 * The execution API: services complete, fail and report progress on any replica. Bad or missing credentials, bad
 * signatures and unknown processes all look alike (401); the cause stands in the log and, where there is a process,
 * in its timeline.
 */
import Router from "@koa/router";
import { processId, type ProcessRecord, type Rules } from "@sticky-proxy/core/process";
import { readReport } from "@sticky-proxy/engine";
import { executionApiPath, parseHeartbeat, parseProcessId, resultMediaType } from "@sticky-proxy/protocol";
import type { Context } from "koa";
import { readAccepted, saysState } from "./accept-payload.ts";
import { acknowledgement, applyReport, noteRefused, reportEvent, unauthorized } from "./apply-report.ts";
import { fixedCallbackRoute, rulesOf, rulesUnknown, type FixedCallbackDeps } from "./fixed-callback.ts";
import { useOfMessage } from "./message-use.ts";
import { completionReport, failureReport, type Report } from "./report.ts";
import { linesOf, type RouteContext } from "./route-context.ts";
import type { Proof } from "./verify-callback.ts";

export interface ExecutionRouteDeps extends FixedCallbackDeps {
  readonly maxHeartbeatBytes: number;
}

export function executionRoutes(deps: ExecutionRouteDeps): Router {
  const router = new Router();
  router.post(`${executionApiPath}/:id/:action`, (ctx) => receiveReport(deps, ctx));
  router.post("/_sticky/v1/callbacks/:service", fixedCallbackRoute(deps));
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
  const use = await useOfMessage(deps, record.service, proof, `${processId(record)} ${action}`);
  if (action === "heartbeat") {
    if (use === "again") return deps.write(ctx, acknowledgement(record, true));
    const { progress, extendMs } = parseHeartbeat({ headers: lines, body });
    const { percent = null, message = null } = progress ?? {};
    const event = { type: "heartbeat", attempt, percent, message, extendMs } as const;
    return deps.write(ctx, await applyReport(deps, record, event));
  }
  const report =
    action === "fail" ? failureReport(lines, body) : completedReport(ctx, record, rules, proof, body);
  const { event, isTooLarge } = reportEvent(report, lines, attempt, rules.policy);
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
  if (proof === "cannot-tell") throw rulesUnknown(record.service);
  if (typeof proof === "string") {
    const action = ctx.params["action"] ?? "";
    const peer = ctx.req.socket.remoteAddress ?? "";
    await noteRefused(deps, record, { event: "callback-unauthorized", why: proof, action, peer });
    throw unauthorized(deps, record.service);
  }
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

/** `?sticky=<token>` for services that cannot send header fields; redacted in every log. */
function queryToken(ctx: Context): string | null {
  const token = ctx.query["sticky"];
  return typeof token === "string" ? token : null;
}
