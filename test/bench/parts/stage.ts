/**
 * What a benchmark runs on, all on loopback and each a process of its own: a Redis that syncs every write, a service, the
 * gateway as `serve proxy` starts it with its access log on, a bare pass-through beside it, and the clients.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { startRedis, type TestRedis } from "@sticky-proxy/testkit";
import { type Child, startChild } from "./child.ts";
import type { Batch, BatchResult } from "./load.ts";
import type { Meter, Question } from "./meter.ts";

export interface Stage {
  readonly gateway: string;
  readonly service: string;
  /** Node's server and undici with nothing between them: what a proxied request costs at the least. */
  readonly passThrough: string;
  readonly redis: TestRedis;
  /** From the start of the process to the line that says it is listening. */
  readonly startMs: number;
  load(batch: Partial<Batch> & Pick<Batch, "path" | "count">): Promise<BatchResult>;
  measure(question: Question, of?: "gateway" | "pass-through"): Promise<Meter>;
  /** Resolves when the gateway has nothing left to do: executions go on after their client has its 202. */
  rest(): Promise<void>;
  /** What the gateway wrote to stderr. */
  errors(): string;
  close(): Promise<void>;
}

const usual: Omit<Batch, "path" | "count"> = {
  origin: "",
  method: "GET",
  concurrency: 16,
  status: 200,
  bodyBytes: 0,
  keys: null,
  sharedBy: 1,
  distinct: null,
  leaveAfterMs: null,
};

/** A gateway that used less than this between two looks rests. */
const restMicros = 5_000;
const restLookMs = 50;

const part = (name: string): string => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
const cli = fileURLToPath(new URL("../../../services/cli/src/cli.ts", import.meta.url));

/** `STICKY_BENCH_NODE_FLAGS` are given to the gateway, such as --cpu-prof. */
export async function setStage(): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), "sticky-bench-"));
  const redis = await startRedis();
  const service = startChild([part("upstream")]);
  const servicePort = await service.ask<number>(null);
  const config = join(dir, "sticky.yaml");
  writeFileSync(
    config,
    `
services:
  plain:
    instances: [http://127.0.0.1:${servicePort}]
  keyed:
    instances: [http://127.0.0.1:${servicePort}]
    routes:
      - process: { identity: key }
  asked:
    instances: [http://127.0.0.1:${servicePort}]
    routes:
      - process: { identity: request, waitMs: 0 }
  cached:
    instances: [http://127.0.0.1:${servicePort}]
    routes:
      - cache: { defaultTtlMs: 3600000 }
`,
  );
  const flags = (process.env["STICKY_BENCH_NODE_FLAGS"] ?? "").split(" ").filter((flag) => flag !== "");
  const started = performance.now();
  const gateway = startChild(
    [
      "--expose-gc",
      ...flags,
      "--import",
      part("meter"),
      cli,
      "serve",
      "proxy",
      `--config=${config}`,
      `--redis=${redis.url}`,
      "--host=127.0.0.1",
      "--port=0",
      "--ops-port=0",
    ],
    { PATH: process.env["PATH"], STICKY_NODE: "bench" },
  );
  const url = await listening(gateway);
  const startMs = performance.now() - started;
  const passThrough = startChild(["--import", part("meter"), part("pass-through"), String(servicePort)]);
  const passThroughPort = await passThrough.ask<number>(null);
  const clients = startChild([part("load")]);
  return {
    gateway: url,
    service: `http://127.0.0.1:${servicePort}`,
    passThrough: `http://127.0.0.1:${passThroughPort}`,
    redis,
    startMs,
    load: (batch) => clients.ask<BatchResult>({ ...usual, origin: url, ...batch }),
    measure: (question, of = "gateway") => (of === "gateway" ? gateway : passThrough).ask<Meter>(question),
    async rest() {
      for (let last = -Infinity; ;) {
        const { cpuMicros } = await gateway.ask<Meter>("cpu");
        if (cpuMicros - last < restMicros) return;
        last = cpuMicros;
        await delay(restLookMs);
      }
    },
    errors: () => gateway.errors(),
    async close() {
      await clients.end();
      await gateway.end();
      await passThrough.end();
      await service.end();
      await redis.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function listening(gateway: Child): Promise<string> {
  for (let waited = 0; waited < 20_000; waited += 5) {
    const url = /listening on (http:\S+)/.exec(gateway.errors())?.[1];
    if (url !== undefined) return url;
    await delay(5);
  }
  await gateway.end();
  throw new Error(`the gateway did not start: ${gateway.errors()}`);
}
