/**
 * A job server with webhooks in its own format, as real services have: POST /jobs answers 202 with an id and later
 * posts `{"id", "state": "done", "data"}` to `callback_url` of the request's body, or to its one fixed address. Without
 * an address GET /jobs/{id} is polled. On request it misbehaves: the job fails, the result is posted twice, a different
 * result is posted late, or a forged one is posted first.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import Router from "@koa/router";
import { readSigningKey, signWebhook } from "@sticky-proxy/protocol";
import { DemoError, integerOf, numberOf, readObject, type Members } from "./body.ts";
import { CappedMap } from "./capped-map.ts";
import type { DemoOptions } from "./instance.ts";
import { post } from "./post.ts";

interface Job {
  readonly id: string;
  readonly account: string;
  state: "running" | "done" | "failed";
  /** What was posted, and the status of each response. */
  readonly callbacks: { readonly kind: CallbackKind; readonly status: number }[];
}

type CallbackKind = "forged" | "result" | "duplicate" | "late";

interface Plan {
  readonly callbackUrl: string | null;
  readonly delayMs: number;
  readonly fails: boolean;
  readonly duplicates: number;
  /** After the result: a second, different one; null: none. */
  readonly lateMs: number | null;
  readonly forged: boolean;
}

/** POST /jobs, GET /jobs, GET /jobs/:id, GET /jobs/:id/callbacks. */
export function callbackJob({ name, webhook }: DemoOptions, closing: AbortSignal): Router {
  const jobs = new CappedMap<string, Job>(20_000);
  let last = 0;
  const router = new Router();

  router.post("/jobs", async (ctx) => {
    const body = await readObject(ctx);
    const account = body.account;
    if (typeof account !== "string" || account === "" || account.length > 200)
      throw new DemoError(422, "account is required and must be a text of 1 to 200 characters");
    const plan = readPlan(body, account);
    const job: Job = { id: `${name}-${(last += 1)}`, account, state: "running", callbacks: [] };
    jobs.set(job.id, job);
    void run(job, plan);
    ctx.status = 202;
    if (plan.callbackUrl === null && webhook === null) {
      ctx.set("Location", `/jobs/${job.id}`);
      ctx.set("Retry-After", "1");
    }
    ctx.body = { id: job.id };
  });

  router.get("/jobs", (ctx) => {
    const [account] = [ctx.query.account].flat();
    const all = [...jobs.values()].filter((job) => account === undefined || job.account === account);
    ctx.body = { count: all.length, jobs: all.slice(-1000).map(({ callbacks: _many, ...job }) => job) };
  });

  router.get("/jobs/:id", (ctx) => {
    const job = find(ctx.params.id);
    ctx.status = job.state === "running" ? 202 : 200;
    if (job.state === "running") ctx.set("Retry-After", "1");
    ctx.body = payload(job, job.state);
  });

  router.get("/jobs/:id/callbacks", (ctx) => {
    ctx.body = find(ctx.params.id).callbacks;
  });

  function find(id: string | undefined): Job {
    const job = jobs.get(id ?? "");
    if (job === undefined) throw new DemoError(404, "there is no such job");
    return job;
  }

  async function run(job: Job, plan: Plan): Promise<void> {
    await pause(plan.delayMs);
    if (closing.aborted) return;
    if (plan.forged) await report(job, "forged", plan, payload({ ...job, account: "forged" }, "done"));
    job.state = plan.fails ? "failed" : "done";
    await report(job, "result", plan, payload(job, job.state));
    for (let i = 0; i < plan.duplicates; i += 1)
      await report(job, "duplicate", plan, payload(job, job.state));
    if (plan.lateMs !== null) {
      await pause(plan.lateMs);
      await report(job, "late", plan, payload({ ...job, account: "too late" }, "done"));
    }
  }

  async function report(job: Job, kind: CallbackKind, plan: Plan, value: unknown): Promise<void> {
    const body = JSON.stringify(value);
    // A duplicate has the message id of the result; every other message has its own.
    const messageId = `${job.id}-${kind === "duplicate" ? "result" : kind}`;
    const target =
      plan.callbackUrl === null ? fixedAddress(messageId, body) : { url: plan.callbackUrl, headers: {} };
    if (target === null || closing.aborted) return;
    const { url, headers } = kind === "forged" ? forge(target) : target;
    const { status } = await post(
      { url, headers: { ...headers, "content-type": "application/json" }, body },
      closing,
    );
    if (job.callbacks.length < 100) job.callbacks.push({ kind, status });
  }

  function fixedAddress(messageId: string, body: string): Target | null {
    if (webhook === null) return null;
    const key = webhook.secret === null ? null : readSigningKey(webhook.secret);
    const signed = key === null ? {} : signWebhook(messageId, Buffer.from(body), [key], Date.now());
    const token = webhook.token === null ? {} : { authorization: `Bearer ${webhook.token}` };
    return { url: webhook.url, headers: { ...signed, ...token } };
  }

  async function pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: closing }).catch(() => undefined);
  }
  return router;
}

interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

function readPlan(body: Members, account: string): Plan {
  const url = body.callback_url ?? null;
  if (url !== null && (typeof url !== "string" || !/^https?:\/\//.test(url) || !URL.canParse(url)))
    throw new DemoError(422, "callback_url must be an http(s) URL");
  const failureRate = numberOf(body.failureRate, "failureRate", { max: 1, initial: 0 });
  const isLate = body.late === true || typeof body.late === "number";
  return {
    callbackUrl: url,
    delayMs: integerOf(body.delayMs, "delayMs", { max: 3_600_000, initial: 50 }),
    fails: shareOf(account) < failureRate,
    duplicates: integerOf(body.duplicates, "duplicates", { max: 50, initial: 0 }),
    lateMs: isLate
      ? integerOf(body.late === true ? 200 : body.late, "late", { max: 3_600_000, initial: 200 })
      : null,
    forged: body.forged === true,
  };
}

/** A number in [0, 1) from the account's name, so that one account always fails or never does. */
function shareOf(account: string): number {
  return createHash("sha256").update(account).digest().readUInt32BE(0) / 2 ** 32;
}

function payload({ id, account }: Pick<Job, "id" | "account">, state: Job["state"]): object {
  if (state === "running") return { id, state };
  if (state === "failed") return { id, state, error: `account ${account} was refused` };
  return { id, state, data: { account, balance: account.length * 100 } };
}

/** What somebody without the secret would send: the right address, a wrong token and signature. */
function forge({ url, headers }: Target): Target {
  const forged = new URL(url);
  if (forged.searchParams.has("sticky")) forged.searchParams.set("sticky", `1.${"A".repeat(43)}`);
  const wrong = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (name === "webhook-signature") return [name, `v1,${"A".repeat(43)}=`];
      return [name, name === "authorization" ? "Bearer not-the-token" : value];
    }),
  );
  return { url: forged.href, headers: wrong };
}
