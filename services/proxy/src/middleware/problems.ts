import { HolderOverBudget } from "@sticky-proxy/core/process";
import { Problem, rateLimitFields } from "@sticky-proxy/protocol";

import type { ProxyDeps } from "../deps.ts";
import { problemReply } from "../listener/problem-reply.ts";
import type { Reply } from "../reply.ts";
import type { Middleware, ProxyState } from "../state.ts";

/** Turns what the steps below throw into a reply. Reads state.requestId, state.service, state.head; writes state.reply. */
export function problems(deps: ProblemDeps): Middleware {
  return async function problems({ state }, next) {
    try {
      await next();
    } catch (error) {
      state.reply = replyToError(deps, state, error);
    }
  };
}

export type ProblemDeps = Pick<ProxyDeps, "log" | "settings">;

/** A Problem as it is; any other error is logged and answered with internal-error, which shows nothing of it. */
export function replyToError(
  { log, settings }: ProblemDeps,
  { requestId, service, head, logFields }: Pick<ProxyState, "requestId" | "service" | "head" | "logFields">,
  error: unknown,
): Reply {
  let problem: Problem;
  if (error instanceof Problem) {
    problem = error;
  } else if (error instanceof HolderOverBudget) {
    problem = storesTooMuch(error);
  } else {
    problem = new Problem("internal-error", { cause: error });
    log.error("request.failed", { requestId, service: service?.name ?? null, err: error });
  }
  logFields["problem"] = problem.slug;
  return {
    ...problemReply(problem, {
      requestId,
      pseudonym: settings.pseudonym,
      headers: head.headers,
      ...(service === null ? {} : { envelope: service.errorEnvelope }),
    }),
    close: problem.options.close === true,
  };
}

function storesTooMuch(error: HolderOverBudget): Problem {
  const { quota, unit } = error;
  const facts = { name: "stored", quota, windowS: null, left: 0, resetS: null };
  return new Problem("over-budget", {
    detail: "This caller's processes and results take as much of the store as they may.",
    headers: {
      ...rateLimitFields(unit === "bytes" ? { ...facts, unit: "content-bytes" } : facts),
      "Retry-After": "60",
    },
    cause: error,
  });
}
