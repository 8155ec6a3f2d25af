/**
 * The clients of the measured gateway, in a process of their own: sends one batch of requests as it is asked and tells
 * how long it took. Every answer's status is checked: a gateway that fails quickly is not fast.
 */
import { once } from "node:events";
import { Pool } from "undici";

export interface Batch {
  readonly origin: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly count: number;
  /** Requests at a time, each on a connection of its own. */
  readonly concurrency: number;
  readonly status: number;
  /** Bytes of JSON in the request; 0: no body. */
  readonly bodyBytes: number;
  /** Idempotency-Key of the i-th request is `<keys>-<i / sharedBy>`; null: no key. */
  readonly keys: string | null;
  readonly sharedBy: number;
  /** The i-th request's query is `n=<distinct>-<i>`; null: all have the path as it is. */
  readonly distinct: string | null;
  /** The client leaves after so long without waiting for the answer; null: it stays. */
  readonly leaveAfterMs: number | null;
}

export interface BatchResult {
  readonly ms: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The last answer's headers. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

const pools = new Map<string, Pool>();

function poolFor(origin: string, connections: number): Pool {
  const name = `${origin} ${connections}`;
  let pool = pools.get(name);
  if (pool === undefined) pools.set(name, (pool = new Pool(origin, { connections, pipelining: 1 })));
  return pool;
}

async function send(batch: Batch): Promise<BatchResult> {
  const pool = poolFor(batch.origin, batch.concurrency);
  const body = batch.bodyBytes === 0 ? null : jsonOf(batch.bodyBytes);
  const latencies: number[] = [];
  let headers: BatchResult["headers"] = {};
  let next = 0;

  async function one(i: number): Promise<void> {
    const started = performance.now();
    const key = batch.keys === null ? null : `${batch.keys}-${Math.floor(i / batch.sharedBy)}`;
    const leave = batch.leaveAfterMs === null ? null : AbortSignal.timeout(batch.leaveAfterMs);
    try {
      const answer = await pool.request({
        method: batch.method,
        path: batch.distinct === null ? batch.path : `${batch.path}?n=${batch.distinct}-${i}`,
        headers: {
          accept: "*/*",
          "user-agent": "bench",
          ...(body === null ? {} : { "content-type": "application/json" }),
          ...(key === null ? {} : { "idempotency-key": `"${key}"` }),
        },
        body,
        signal: leave,
      });
      const text = await answer.body.arrayBuffer();
      if (answer.statusCode !== batch.status)
        throw new Error(`${batch.path}: ${answer.statusCode} ${Buffer.from(text).toString()}`);
      headers = answer.headers;
    } catch (error) {
      if (leave?.aborted !== true) throw error;
    }
    latencies.push(performance.now() - started);
  }
  async function client(): Promise<void> {
    while (next < batch.count) {
      const i = next;
      next += 1;
      await one(i);
    }
  }

  const started = performance.now();
  await Promise.all(Array.from({ length: batch.concurrency }, client));
  const ms = performance.now() - started;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => latencies[Math.floor((latencies.length - 1) * share)]!;
  return { ms, p50Ms: at(0.5), p99Ms: at(0.99), headers };
}

function jsonOf(bytes: number): string {
  const frame = JSON.stringify({ amount: 5, note: "" });
  return JSON.stringify({ amount: 5, note: "n".repeat(Math.max(0, bytes - frame.length)) });
}

process.on("disconnect", () => process.exit());
for (;;) {
  const [batch] = (await once(process, "message")) as [Batch];
  process.send?.(await send(batch));
}
