/**
 * What mirroring costs the client: latency with mirroring off, with a healthy secondary and with one that hangs,
 * interleaved so that a busy machine hits all three alike, for a primary that answers at once and for one that works. And what comparing costs the event loop: the longest delay
 * while hostile pairs of 1 MiB are compared in the worker.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { Agent, request as httpRequest } from "node:http";
import type { ComparePolicy } from "@sticky-proxy/core/registry";
import { createComparer } from "@sticky-proxy/mirror";
import { startMirrored, type Mirrored } from "../mirror/mirrored.ts";
import { echo, hang, startRecording } from "../mirror/recording-backend.ts";

const rounds = 20;
const perRound = 20;
/** Below saturation: what is asked is how long a client waits, not how much fits onto the machine. */
const pauseMs = 5;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function put(url: string, body: string): Promise<number> {
  const startedAt = performance.now();
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      { method: "PUT", agent, headers: { "Content-Length": body.length } },
      (response) => {
        response.resume();
        response.on("end", () =>
          response.statusCode === 200
            ? resolve(performance.now() - startedAt)
            : reject(new Error(`status ${response.statusCode}`)),
        );
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

async function round(mirrored: Mirrored, into: number[]): Promise<void> {
  for (let i = 0; i < perRound; i++) {
    into.push(await put(`${mirrored.cluster.url()}/keys/${i % 8}`, "{}"));
    await delay(pauseMs);
  }
}

function line(name: string, values: number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): string => sorted[Math.floor(sorted.length * share)]!.toFixed(2).padStart(8);
  return `${name.padEnd(34)} p50 ${at(0.5)} ms   p99 ${at(0.99)} ms   (${values.length} calls)`;
}

/** @param answerMs how long the primary takes */
async function latency(answerMs: number): Promise<void> {
  const primary = await startRecording();
  if (answerMs > 0)
    primary.behave = (request, response) => void setTimeout(() => echo(request, response), answerMs);
  const healthy = await startRecording();
  const hanging = await startRecording();
  hanging.behave = hang;
  const process = { identity: "none", waitMs: 20_000, onWaitEnd: "timeout" };
  const durable = { to: "users-v2", mode: "dual-write", orderKey: { path: "/keys/{key}" } };
  const setups = [
    ["process, no mirror", healthy, [{ match: {}, process }]],
    ["process, dual-write, healthy", healthy, [{ match: {}, process, mirror: durable }]],
    ["process, dual-write, hanging", hanging, [{ match: {}, process, mirror: durable }]],
    ["plain, no mirror", healthy, [{ match: {} }]],
    ["plain, shadow, healthy", healthy, [{ match: {}, mirror: { to: "users-v2", mode: "shadow" } }]],
    ["plain, shadow, hanging", hanging, [{ match: {}, mirror: { to: "users-v2", mode: "shadow" } }]],
  ] as const;
  const running: { name: string; mirrored: Mirrored; values: number[] }[] = [];
  try {
    for (const [name, secondary, routes] of setups) {
      const mirrored = await startMirrored({ primary: primary.url, secondary: secondary.url, routes });
      running.push({ name, mirrored, values: [] });
    }
    for (const { mirrored } of running) await round(mirrored, []); // warm
    for (let i = 0; i < rounds; i++)
      for (const { mirrored, values } of running) await round(mirrored, values);
    print(`primary answers after ${answerMs} ms:`);
    for (const { name, values } of running) print(line(name, values));
  } finally {
    agent.destroy();
    for (const { mirrored } of running) await mirrored.stop();
    for (const backend of [primary, healthy, hanging]) await backend.close();
  }
}

async function loopDelay(): Promise<void> {
  const policy: ComparePolicy = {
    sampleRate: 1,
    status: "exact",
    headers: [],
    exactErrors: false,
    ignore: [["**", "x"]],
    rules: [],
    ttlMs: 1,
    maxDifferences: 200,
  };
  const objects = Array.from({ length: 12_000 }, (_, i) => ({ id: i, name: `name ${i}`, tags: [i, i + 1] }));
  const numbers = Array.from({ length: 120_000 }, (_, i) => i * 7919);
  const pairs = [
    [objects, objects.toReversed()],
    [objects, objects.map((one) => ({ ...one, id: -one.id - 1 }))],
    [numbers, numbers.map((n) => n + 1)],
  ].map((pair) => pair.map((value) => Buffer.from(JSON.stringify(value))) as [Buffer, Buffer]);
  const deep = (leaf: string): Buffer => Buffer.from("[".repeat(524_288) + leaf + "]".repeat(524_288));
  pairs.push([deep("1"), deep("2")]);

  const comparer = createComparer({ redactKey: "bench" });
  const answer = (body: Buffer) => ({
    status: 200,
    headers: [["content-type", "application/json"]] as const,
    body,
  });
  await comparer.compare(answer(Buffer.from("1")), answer(Buffer.from("2")), policy);
  const loop = monitorEventLoopDelay({ resolution: 1 });
  const times: number[] = [];
  loop.enable();
  for (let i = 0; i < 10; i++) {
    for (const [a, b] of pairs) {
      const startedAt = performance.now();
      await comparer.compare(answer(a), answer(b), policy);
      times.push(performance.now() - startedAt);
    }
  }
  loop.disable();
  await comparer.close();
  print(line("hostile 1 MiB pair, compared in", times));
  print(
    `event loop delay meanwhile          p99 ${(loop.percentile(99) / 1e6).toFixed(1)} ms   max ${(loop.max / 1e6).toFixed(1)} ms`,
  );
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

await loopDelay();
await latency(0);
await latency(10);
