import { Problem } from "@sticky-proxy/protocol";

import type { ProxyDeps } from "../deps.ts";
import { problemReply } from "../listener/problem-reply.ts";
import type { Middleware } from "../state.ts";

/** The only place that writes a problem. Reads state.requestId, state.service; writes the response. */
export function problems({ log, settings }: ProxyDeps): Middleware {
  return async function problems(ctx, next) {
    try {
      await next();
    } catch (error) {
      const { requestId, service, logFields } = ctx.state;
      let problem: Problem;
      if (error instanceof Problem) {
        problem = error;
      } else {
        problem = new Problem("internal-error", { cause: error });
        log.error("request.failed", { requestId, service: service?.name ?? null, error });
      }
      logFields["problem"] = problem.slug;
      // The response is out in part: the only honest end is a broken one.
      if (ctx.res.headersSent) {
        ctx.res.destroy();
        return;
      }
      const reply = problemReply(problem, requestId, settings.pseudonym);
      await ctx.state.send(reply, { close: problem.options.close === true });
    }
  };
}
