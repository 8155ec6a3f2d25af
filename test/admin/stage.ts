/** A gateway with something to look at: what its pages show in the documents. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { allServices, bucketStart, type Changes } from "@sticky-proxy/core/series";
import { createSeries } from "@sticky-proxy/store";
import { connectRedis, createKeys } from "@sticky-proxy/store/testing";
import { startAdminGateway, type AdminGateway } from "./gateway.ts";

export interface Stage {
  readonly gateway: AdminGateway;
  /** A process with attempts, a callback, a repeat and a forged report. */
  readonly processId: string;
  stop(): Promise<void>;
}

const reports: { url: string; token: string }[] = [];
let flaky = 0;

/** Payments, reports that call back, pages, users. */
const backend: RequestListener = (request, response) => {
  const body: Buffer[] = [];
  request.on("data", (chunk: Buffer) => body.push(chunk));
  request.on("end", () => {
    const path = request.url ?? "";
    response.setHeader("content-type", "application/json");
    if (path.startsWith("/reports")) {
      flaky += 1;
      if (flaky < 3) return response.writeHead(429, { "retry-after": "0" }).end('{"error":"busy"}');
      const token = String(request.headers["sticky-execution"]);
      reports.push({ url: String(request.headers["sticky-callback-url"]), token });
      return response.writeHead(202, { "sticky-execution": token }).end();
    }
    if (path.startsWith("/products"))
      return response.setHeader("cache-tag", "products").end('{"name":"Tea"}');
    if (path.startsWith("/charges/broken")) return response.destroy();
    const given = JSON.parse(Buffer.concat(body).toString() || "{}") as object;
    return response.writeHead(201).end(JSON.stringify({ id: `c_${path.length}`, ...given, total: 42 }));
  });
};

/** The second backend of users says some things otherwise. */
const secondBackend: RequestListener = (request, response) => {
  request.resume();
  request.on("end", () => {
    response.writeHead(201, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: `u_${(request.url ?? "").length}`, name: "Ann", total: "42.00" }));
  });
};

export async function startStage(): Promise<Stage> {
  const second = createServer(secondBackend);
  await once(second.listen(0, "127.0.0.1"), "listening");
  const secondOrigin = `http://127.0.0.1:${(second.address() as AddressInfo).port}`;
  const gateway = await startAdminGateway({
    service: backend,
    config: { node: "gateway-1", admin: { environment: "staging" } },
    services: (origin) => ({
      payments: {
        instances: [origin],
        routes: [
          {
            match: { methods: ["POST"], path: "/charges" },
            process: { identity: "key", keepRequest: true },
            retries: { attempts: 3, minMs: 1, maxMs: 5 },
          },
        ],
      },
      work: {
        instances: [origin],
        routes: [
          {
            match: { methods: ["POST"], path: "/reports" },
            process: { identity: "key", completion: "callback", keepRequest: true },
            retries: { attempts: 5, minMs: 300, maxMs: 800 },
          },
        ],
      },
      catalogue: {
        instances: [origin],
        routes: [{ match: { methods: ["GET", "HEAD"] }, cache: { defaultTtlMs: 3_600_000 } }],
      },
      users: {
        instances: [origin],
        routes: [
          {
            match: { methods: ["POST"], path: "/accounts" },
            process: { identity: "key" },
            mirror: { to: "users-v2", mode: "dual-write", orderKey: { header: "x-user" } },
          },
        ],
      },
      billing: {
        instances: ["http://127.0.0.1:1"],
        routes: [
          {
            match: { methods: ["POST"], path: "/invoices" },
            process: { identity: "key", keepRequest: true },
            retries: { attempts: 2, minMs: 1, maxMs: 1 },
          },
        ],
      },
      "users-v2": { instances: [secondOrigin], match: "none" },
    }),
  });
  try {
    await writeHistory(gateway.redis.url);
    return {
      gateway,
      processId: await traffic(gateway.url),
      async stop() {
        await gateway.stop();
        second.close();
      },
    };
  } catch (error) {
    await gateway.stop();
    second.close();
    throw error;
  }
}

async function traffic(url: string): Promise<string> {
  const post = (path: string, key: string, body = '{"amount":4200}', more: Record<string, string> = {}) =>
    fetch(url + path, {
      method: "POST",
      headers: { "idempotency-key": key, "content-type": "application/json", ...more },
      body,
    });
  const report = (token: string, at: string) =>
    fetch(url + new URL(at).pathname, {
      method: "POST",
      headers: { "sticky-execution": token, "content-type": "application/json" },
      body: '{"pages":12}',
    });
  const answer = await post("/work/reports", "report-7", '{"month":"2026-11"}', { prefer: "respond-async" });
  for (let i = 0; i < 14; i += 1) await post("/payments/charges", `order-${i}`);
  for (const key of ["order-1", "order-2", "order-1"]) await post("/payments/charges", key);
  await post("/payments/charges", "order-1", '{"amount":9900}');
  for (let i = 0; i < 6; i += 1) await post("/billing/invoices", `late-${i}`);
  for (let i = 0; i < 3; i += 1) await post("/payments/charges/broken", `cut-${i}`);
  for (let i = 0; i < 8; i += 1) await fetch(`${url}/catalogue/products/${i % 3}`);
  for (let i = 0; i < 9; i += 1)
    await post("/users/accounts", `user-${i}`, '{"name":"Ann"}', { "x-user": `u${i % 4}` });
  while (reports.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  const { url: at, token } = reports[0]!;
  await report("1.forged", at);
  await report(token, at);
  await report(token, at);
  for (let i = 0; i < 2; i += 1) await post("/work/reports", "report-7", '{"month":"2026-11"}');
  return answer.headers.get("sticky-process-id")!;
}

/** A quarter of an hour that a test has no time to wait for: the same waves at every run. */
async function writeHistory(url: string): Promise<void> {
  const redis = connectRedis({ url }, { onError: () => undefined });
  await redis.ready(30_000);
  const series = createSeries({ redis, keys: createKeys("sp:") });
  // Into the next minute, too: pictures are taken a while later.
  const now = bucketStart(Date.now(), 10_000);
  for (let i = -6; i <= 90; i += 1) await series.add(`stage-${i}`, now - i * 10_000, wave(i));
  await redis.close();
}

function wave(i: number): Changes {
  const high = (base: number, swing: number, every: number): number =>
    Math.round(base + swing * Math.sin(i / every) + (swing / 3) * Math.sin(i * 2.4));
  const isSlow = i > 30 && i < 42;
  const values = new Map<string, number>([
    ["http:2xx", high(96, 14, 7)],
    ["http:4xx", Math.max(0, high(1, 2, 3))],
    ["http:5xx", isSlow ? high(6, 3, 2) : i % 9 === 0 ? 1 : 0],
    ["v.start", high(34, 5, 6)],
    ["v.replay", high(6, 3, 4)],
    ["v.join", Math.max(0, high(1, 1, 3))],
    ["v.mismatch", i % 7 === 0 ? 2 : 0],
    ["c.HIT", high(22, 4, 9)],
    ["c.MISS", high(3, 2, 5)],
    ["p.started", 34],
    ["p.completed", 33],
    ["a:ok", high(60, 6, 6)],
    ["s2", high(38, 5, 6)],
    ["s4", high(20, 4, 5)],
    ["s6", isSlow ? 12 : 3],
    ["s7", isSlow ? 8 : 0],
    ["t1", high(52, 6, 6)],
    ["t4", high(36, 6, 5)],
    ["t6", isSlow ? 16 : 4],
    ["t8", isSlow ? 6 : 1],
    ["g.running", high(isSlow ? 32 : 14, 5, 5)],
    ["g.pending", isSlow ? high(6, 3, 2) : 0],
    ["g.dead", i < 36 ? 9 : 3],
    ["g.lag", isSlow ? high(2600, 900, 3) : high(240, 90, 4)],
  ]);
  return new Map([
    [allServices, values],
    ["payments", values],
  ]);
}
