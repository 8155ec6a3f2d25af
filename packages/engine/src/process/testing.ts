/** One process with a policy that has every feature on, and the events that its tests send it. */
import type { ProcessPolicy } from "@sticky-proxy/core/registry";
import type { Rules, ProcessRecord, ProcessEvent } from "@sticky-proxy/core/process";
import { createTestWorld } from "@sticky-proxy/core/testing";
import { createTestProcesses } from "../testing.ts";

export const policy: ProcessPolicy = {
  identity: "key",
  key: "required",
  waitMs: 60_000,
  onWaitEnd: "timeout",
  completion: "response",
  onDuplicate: "join",
  allowOnDuplicate: ["join", "reject", "replace"],
  force: true,
  leaseMs: 1000,
  deadlineMs: 60_000,
  heartbeatTimeoutMs: 5000,
  resultTtlMs: 100_000,
  resultTtlByClass: {},
  tombstoneMs: 50_000,
  maxResultBytes: 1 << 20,
  onUnknown: { cut: "release", timeout: "fail", lost: "fail", answered: "fail" },
  restartCancelled: false,
  keepServerErrors: true,
  notExecutedStatuses: [425, 429, 503],
  refusedStatuses: [401, 409],
  failedWhen: null,
  fingerprintHeaders: [],
  fingerprintIgnore: { members: [], query: [] },
  keyFrom: null,
  storedHeaders: [],
  callback: { inject: { query: null, json: null, header: null }, accept: null, correlate: null },
  pollLocation: null,
  cancelHook: null,
  probe: { path: "/probe", intervalMs: 500 },
  keepRequest: true,
};

export const deadLetterMs = 30 * 24 * 3_600_000;

export function world(overrides: Partial<ProcessPolicy> = {}, rest: Partial<Omit<Rules, "policy">> = {}) {
  const base = createTestWorld({
    policy: { ...policy, ...overrides },
    retries: { attempts: 3, minMs: 100, maxMs: 2000 },
    ...rest,
  });
  const seen: [string | null, string][] = [];
  const refused: string[] = [];
  const { processes, apply } = createTestProcesses(base, {
    onTransition: (from, to) => seen.push([from?.status ?? null, to.status]),
    onRefused: (_record, event) => refused.push(event),
    deadLetterMs,
  });
  return { ...base, ...base.clock, processes, apply, request: base.request(), seen, refused };
}

export const response = (status: number, text = "x") => ({ status, headers: [], body: Buffer.from(text) });
export const done = (attempt: number, status = 200): ProcessEvent => ({
  type: "responded",
  attempt,
  status,
  result: { id: "r1", response: response(status) },
  retryAfterMs: null,
});
export const lost = (attempt: number, unknown: "cut" | "timeout" | "lost" = "cut"): ProcessEvent => ({
  type: "failed",
  attempt,
  executed: "unknown",
  unknown,
  slug: "upstream-timeout",
  reason: "connection_terminated",
  retryAfterMs: null,
});
export const unreachable = (attempt: number): ProcessEvent => ({
  type: "failed",
  attempt,
  executed: "no",
  unknown: "cut",
  slug: "upstream-unreachable",
  reason: "connection_refused",
  retryAfterMs: null,
});

export async function start(w: ReturnType<typeof world>): Promise<ProcessRecord> {
  const begun = await w.processes.begin(w.request);
  if (begun.verdict !== "start") throw new Error(`not started: ${begun.verdict}`);
  return begun.record;
}
export const applied = (w: ReturnType<typeof world>, record: ProcessRecord, event: ProcessEvent) =>
  w.apply(record, event);
