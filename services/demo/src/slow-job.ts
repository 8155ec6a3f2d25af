/**
 * A long job with callbacks: it answers 202 at once, sends heartbeats, then complete or fail. It stops when the
 * response to a heartbeat has `cancelRequested`, or says that the execution is no longer current.
 */
import { setTimeout as sleep } from "node:timers/promises";
import Router from "@koa/router";
import { fields, lowerFields } from "@sticky-proxy/protocol";
import { DemoError, integerOf, readObject } from "./body.ts";
import { CappedMap } from "./capped-map.ts";
import { post } from "./post.ts";

interface Work {
  readonly processId: string;
  readonly title: string;
  readonly attempt: number;
  state: "running" | "completed" | "failed" | "cancelled" | "refused";
  heartbeats: number;
}

interface Plan {
  readonly delayMs: number;
  readonly heartbeats: number;
  readonly fail: boolean;
}

/** POST /reports {title, delayMs, heartbeats, fail}, GET /reports. `closing` aborts all work. */
export function slowJob(name: string, closing: AbortSignal): Router {
  const works = new CappedMap<number, Work>();
  let last = 0;
  const router = new Router();

  router.post("/reports", async (ctx) => {
    // The gateway sends the URL of `complete`; heartbeat and fail are below the same parent.
    const base = ctx.get(lowerFields.stickyCallbackUrl).replace(/\/complete$/, "");
    const token = ctx.get(lowerFields.stickyExecution);
    const body = await readObject(ctx);
    if (base === "" || token === "")
      throw new DemoError(400, "this job calls back: it needs Sticky-Callback-Url and Sticky-Execution");
    const plan: Plan = {
      delayMs: integerOf(body.delayMs, "delayMs", { max: 3_600_000, initial: 1000 }),
      heartbeats: integerOf(body.heartbeats, "heartbeats", { max: 1000, initial: 3 }),
      fail: body.fail === true,
    };
    const work: Work = {
      processId: ctx.get(lowerFields.stickyProcessId),
      title: typeof body.title === "string" ? body.title.slice(0, 200) : "report",
      attempt: Number(ctx.get(lowerFields.stickyAttempt)) || 1,
      state: "running",
      heartbeats: 0,
    };
    works.set((last += 1), work);
    void run(work, plan, base, token);
    ctx.set(fields.stickyExecution, token);
    ctx.status = 202;
    ctx.body = { accepted: true };
  });

  router.get("/reports", (ctx) => {
    ctx.body = { count: last, reports: [...works.values()].slice(-1000) };
  });

  async function run(work: Work, plan: Plan, base: string, token: string): Promise<void> {
    const report = (action: string, type: string, value: unknown) =>
      post(
        {
          url: `${base}/${action}`,
          headers: { [fields.stickyExecution]: token, "content-type": type },
          body: JSON.stringify(value),
        },
        closing,
      );
    for (let beat = 1; beat <= plan.heartbeats; beat += 1) {
      await sleep(plan.delayMs / (plan.heartbeats + 1), undefined, { signal: closing }).catch(
        () => undefined,
      );
      const percent = Math.round((100 * beat) / (plan.heartbeats + 1));
      const answer = await report("heartbeat", "application/json", {
        progress: { percent, message: "working" },
      });
      work.heartbeats += 1;
      const isOver = answer.status >= 400 && answer.status < 500;
      if (isOver || /"cancelRequested":\s*true/.test(answer.body)) {
        work.state = isOver ? "refused" : "cancelled";
        return;
      }
    }
    await sleep(plan.delayMs / (plan.heartbeats + 1), undefined, { signal: closing }).catch(() => undefined);
    if (closing.aborted) return;
    const answer = plan.fail
      ? await report("fail", "application/problem+json", {
          type: "about:blank",
          title: "The report could not be made",
          status: 500,
          retryable: false,
          executed: "yes",
        })
      : await report("complete", "application/json", {
          title: work.title,
          pages: 12,
          by: name,
          attempt: work.attempt,
        });
    work.state = answer.status === 200 ? (plan.fail ? "failed" : "completed") : "refused";
  }
  return router;
}
