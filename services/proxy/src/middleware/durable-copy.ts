import type { RuleBook } from "@sticky-proxy/core/process";
import type { SideCopies, SideEnding } from "@sticky-proxy/engine";
import { Problem } from "@sticky-proxy/protocol";
import type { Reply } from "../reply.ts";
import type { Middleware } from "../state.ts";
import type { LoopGuard } from "./loop-guard.ts";
import type { BodyTaps } from "./tap-body.ts";
import { tapBody, tapReply } from "./tapped-exchange.ts";

export interface DurableCopyDeps {
  readonly guard: Pick<LoopGuard, "lines">;
  readonly taps: BodyTaps;
  readonly copies: SideCopies;
  readonly rules: Pick<RuleBook, "rulesFor">;
}

/**
 * Takes the durable copy of a plain request from the side, while it goes to the service as it would without: the step asks
 * nothing of the client, the body or the answer (R1). What belongs to a process does not come here, and is copied by it.
 * Reads state.service, state.route, state.body, state.principal; writes state.trace.
 */
export function durableCopy(deps: DurableCopyDeps): Middleware {
  return async function durableCopy(ctx, next) {
    const { state } = ctx;
    const { service, route } = state;
    const policy = route?.mirror ?? null;
    if (service === null || route === null || policy?.mode !== "dual-write") return next();
    const rules = deps.rules.rulesFor(service, route);
    if (rules === null) return next();
    state.trace = [...state.trace, ...deps.guard.lines(state.serviceHead, null)];
    const request = tapBody(deps.taps, state.body, state.client.holder);
    const { promise: ending, resolve: end } = Promise.withResolvers<SideEnding>();
    deps.copies.begin({
      service,
      route,
      policy,
      rules,
      head: state.serviceHead,
      principal: state.principal,
      holder: state.client.holder,
      traceparent: state.traceparent,
      body: request.body(),
      ending,
    });
    void ending.then(() => request.release());
    try {
      await next();
    } catch (error) {
      end(failedBy(error));
      throw error;
    }
    if (state.reply === null) end({ kind: "failed", executed: "unknown", reason: "no-answer" });
    else void endingOf(deps.taps, state.reply, state.client.holder).then(end);
  };
}

/** The service's answer, once the client has had it; a client that leaves changes nothing about what happened (R4). */
async function endingOf(taps: BodyTaps, reply: Reply, holder: string): Promise<SideEnding> {
  const { status, headers } = reply;
  const answer = tapReply(taps, reply, holder);
  const body = await answer.body();
  answer.release();
  return { kind: "answered", status, headers, body: typeof body === "string" ? null : body };
}

function failedBy(error: unknown): SideEnding {
  if (!(error instanceof Problem)) return { kind: "failed", executed: "unknown", reason: "internal-error" };
  // Without a word about it nothing was sent: a limit, a full queue, a client that left before.
  const executed = error.executed === null || error.executed === "no" ? "no" : "unknown";
  return { kind: "failed", executed, reason: error.slug };
}
