/** Errors of the admin service as problem+json; the outermost step. */
import { randomUUID } from "node:crypto";
import type { Middleware } from "koa";
import { Problem, problemBody } from "@sticky-proxy/protocol";
import type { Logger } from "@sticky-proxy/runtime";

export function problems(logger: Logger): Middleware {
  return async (context, next) => {
    try {
      await next();
      if (context.status === 404 && context.body === undefined)
        throw new Problem("service-not-found", { detail: "the admin API has no such path" });
    } catch (error) {
      const problem = problemOf(error);
      const requestId = context.get("x-request-id") || randomUUID();
      if (problem.status >= 500)
        logger.error("admin.request-failed", {
          method: context.method,
          path: context.path,
          requestId,
          err: error,
        });
      context.status = problem.status;
      for (const [name, value] of Object.entries(problem.options.headers ?? {})) context.set(name, value);
      context.set("Cache-Control", "no-store");
      if (problem.options.close === true) context.set("Connection", "close");
      context.type = "application/problem+json";
      context.body = JSON.stringify(problemBody(problem, requestId));
    }
  };
}

function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code === "AUDIT_UNAVAILABLE")
    return new Problem("store-unavailable", { detail: (error as Error).message, cause: error });
  if (code === "STORE_UNAVAILABLE" || code === "CACHE_UNAVAILABLE")
    return new Problem("store-unavailable", { detail: "the store does not answer", cause: error });
  return new Problem("internal-error", { cause: error });
}
