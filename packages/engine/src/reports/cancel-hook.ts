/**
 * Tells a service that its work is not wanted any more. Sent once, not waited for and not repeated: the service also
 * learns it from the answer to its next heartbeat, and a late result is refused either way.
 */
import { processId, type FoundRoute, type ProcessRecord } from "@sticky-proxy/core/process";
import type { HeaderLine } from "@sticky-proxy/core/http";
import { formatIdempotencyKey } from "@sticky-proxy/protocol";

import type { OutboundCallers } from "@sticky-proxy/upstream";

export type CancelHookOutcome = "told" | "refused" | "unreachable" | "skipped";

export interface CancelHookDeps {
  readonly find: (record: ProcessRecord) => FoundRoute | null;
  /** Instances may be private; any other address must be public. */
  readonly callers: OutboundCallers;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onOutcome: (record: ProcessRecord, outcome: CancelHookOutcome, detail: string) => void;
  /** Hooks under way at once; more are skipped and said to be. Default 256. */
  readonly maxInFlight?: number;
  readonly timeoutMs?: number;
}

export interface CancelHook {
  /** `record` as it stood before the cancel. Never throws. */
  tell(record: ProcessRecord): void;
  /** Resolves when nothing is under way any more: within the time-out of one call. */
  idle(): Promise<void>;
}

export function createCancelHook(deps: CancelHookDeps): CancelHook {
  const { find, onOutcome, maxInFlight = 256 } = deps;
  const underWay = new Set<Promise<void>>();

  async function send(record: ProcessRecord, found: FoundRoute, hook: string): Promise<void> {
    const { service } = found;
    const instance = service.instances[Math.floor(deps.random() * service.instances.length)];
    if (instance === undefined || !URL.canParse(hook, instance.origin)) {
      onOutcome(record, "skipped", "bad-address");
      return;
    }
    const url = new URL(hook, instance.origin);
    const isOwn = service.instances.some(({ origin }) => new URL(origin).origin === url.origin);
    const id = processId(record);
    const { attempt, fence, jobId } = record;
    const headers: HeaderLine[] = [
      ["Content-Type", "application/json"],
      ["Sticky-Process-Id", id],
      ["Sticky-Attempt", String(attempt)],
      ["Sticky-Fence", String(fence)],
      ["Idempotency-Key", formatIdempotencyKey(`${id}.cancel`)],
    ];
    const answer = await (isOwn ? deps.callers.allowingPrivate : deps.callers.guarded).call({
      method: "POST",
      url,
      headers,
      body: Buffer.from(JSON.stringify({ processId: id, service: record.service, attempt, fence, jobId })),
      tls: isOwn ? service.tls : null,
      timeoutMs: deps.timeoutMs ?? 5000,
      maxBytes: 4096,
    });
    if (answer.kind === "failed") {
      onOutcome(record, answer.reason === "refused" ? "refused" : "unreachable", answer.detail);
      return;
    }
    const isTold = answer.status >= 200 && answer.status < 300;

    onOutcome(record, isTold ? "told" : "refused", `status ${answer.status}`);
  }

  return {
    tell(record) {
      const found = find(record);
      const hook = found?.rules.policy.cancelHook ?? null;
      // What was never sent has nobody who could stop.
      if (found === null || hook === null || record.attempt === 0) return;
      if (underWay.size >= maxInFlight) {
        onOutcome(record, "skipped", "too-many");
        return;
      }
      const sent = send(record, found, hook).finally(() => underWay.delete(sent));
      underWay.add(sent);
    },
    async idle() {
      await Promise.all(underWay);
    },
  };
}
