/** Fails a requested number of times for each Idempotency-Key, then succeeds; the attempts are counted. */
import Router from "@koa/router";
import { integerOf, keyOf, readObject } from "./body.ts";
import { CappedMap } from "./capped-map.ts";

/** POST /flaky {failures, status, retryAfter}, GET /flaky, DELETE /flaky. */
export function flakyJob(): Router {
  const attempts = new CappedMap<string, number>();
  const router = new Router();

  router.post("/flaky", async (ctx) => {
    const body = await readObject(ctx);
    const failures = integerOf(body.failures, "failures", { max: 1000, initial: 2 });
    const status = integerOf(body.status, "status", { min: 400, max: 599, initial: 503 });
    const retryAfter = integerOf(body.retryAfter, "retryAfter", { min: -1, max: 3600, initial: -1 });
    const key = keyOf(ctx);
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    if (attempt > failures) {
      ctx.body = { key, attempts: attempt };
      return;
    }
    ctx.status = status;
    if (retryAfter >= 0) ctx.set("Retry-After", String(retryAfter));
    ctx.body = { error: `failure ${attempt} of ${failures}` };
  });

  router.get("/flaky", (ctx) => {
    ctx.body = Object.fromEntries(attempts);
  });

  router.delete("/flaky", (ctx) => {
    attempts.clear();
    ctx.status = 204;
  });
  return router;
}
