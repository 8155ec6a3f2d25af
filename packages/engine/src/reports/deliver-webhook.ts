/**
 * Tells a client's registered endpoint that its process has ended: a thin Standard Webhooks event, signed with every
 * key, under one webhook-id for ever. At least once: what is not answered with 2xx is sent again by the schedule; the
 * result itself is fetched from the process API.
 */
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";
import {
  parseRetryAfter,
  processLinks,
  readSigningKey,
  signWebhook,
  type SigningKey,
  type Clock,
} from "@sticky-proxy/protocol";

import type { OutboundCallers } from "@sticky-proxy/upstream";

export interface Delivery {
  readonly delivered: boolean;
  /** null: not again. */
  readonly retryInMs: number | null;
}

/** Tries once. Never rejects for what the endpoint does. */
export type Deliverer = (record: ProcessRecord) => Promise<Delivery>;

export interface DeliveryEndpoint {
  readonly name: string;
  readonly url: string;
  /** Standard Webhooks secrets ("whsec_<base64>"), newest first. */
  readonly secrets: readonly string[];
  readonly allowPrivate: boolean;
}

/** Closed set, for the metric. `gone`: the endpoint said 410; `failed`: the schedule has ended. */
export type DeliveryOutcome = "delivered" | "retry" | "gone" | "failed";

export interface DelivererDeps {
  /** The current ones, asked at each delivery. */
  readonly endpoints: () => readonly DeliveryEndpoint[];
  /** Private addresses only where the endpoint's configuration allows them. */
  readonly callers: OutboundCallers;
  /** Base of the links in the event, without a slash at its end. */
  readonly publicUrl: () => string;
  /** now() is the store's time. */
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** `ms`: what the try took. */
  readonly onOutcome: (record: ProcessRecord, outcome: DeliveryOutcome, detail: string, ms: number) => void;
  /** For one exchange; default 15 s. */
  readonly timeoutMs?: number;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
/** Waits after the 1st, 2nd … failed try; then the event is dead. */
export const deliverySchedule: readonly number[] = [
  5 * second,
  30 * second,
  2 * minute,
  10 * minute,
  hour,
  6 * hour,
  24 * hour,
];
const maxWaitMs = 24 * hour;
/** Nothing of the answer's body is looked at. */
const maxAnswerBytes = 16_384;

export function createDeliverer(deps: DelivererDeps): Deliverer {
  const { random, onOutcome } = deps;
  const { now, monotonic } = deps.clock;

  return async function deliver(record) {
    const startedAt = monotonic();
    const again = (detail: string, retryAfterMs: number | null): Delivery => {
      const retryInMs = nextDelivery(record.notifyAttempt, retryAfterMs, random());
      onOutcome(record, retryInMs === null ? "failed" : "retry", detail, monotonic() - startedAt);
      return { delivered: false, retryInMs };
    };
    const endpoint = deps.endpoints().find(({ name }) => name === record.notify);
    // A sweeper with an older configuration may not know it yet.
    if (endpoint === undefined) return again("unknown-endpoint", null);
    const keys = signingKeys(endpoint);
    const body = Buffer.from(JSON.stringify(eventOf(record, deps.publicUrl())));
    const signature = signWebhook(webhookId(record), body, keys, now());
    const answer = await (endpoint.allowPrivate ? deps.callers.allowingPrivate : deps.callers.guarded).call({
      method: "POST",
      url: new URL(endpoint.url),
      headers: [["Content-Type", "application/json"], ...Object.entries(signature)],
      body,
      timeoutMs: deps.timeoutMs ?? 15_000,
      maxBytes: maxAnswerBytes,
    });
    if (answer.kind === "failed") return again(answer.detail, null);
    const { status } = answer;
    if (status >= 200 && status < 300) {
      onOutcome(record, "delivered", String(status), monotonic() - startedAt);
      return { delivered: true, retryInMs: null };
    }
    if (status === 410) {
      onOutcome(record, "gone", "410", monotonic() - startedAt);
      return { delivered: false, retryInMs: null };
    }
    const retryAfter = answer.headers.find(([name]) => name.toLowerCase() === "retry-after")?.[1];
    const retryAfterMs = retryAfter === undefined ? null : parseRetryAfter(retryAfter, now());
    return again(`status ${status}`, retryAfterMs);
  };
}

/**
 * Wait after a failed try, jittered by ±20 % so that an endpoint that comes back is not met by everybody at once;
 * never sooner than it asked, at most a day. null: no try is left.
 * @param attempt tries that failed before this one
 */
export function nextDelivery(attempt: number, retryAfterMs: number | null, random: number): number | null {
  const wait = deliverySchedule[attempt];
  if (wait === undefined) return null;
  const jittered = wait * (0.8 + 0.4 * random);
  return Math.round(Math.min(maxWaitMs, Math.max(jittered, retryAfterMs ?? 0)));
}

/** The same for every try, so that the receiver can drop what it has; a process ends once. No full stop (signature). */
export function webhookId({ partition, scope, epoch }: ProcessRecord): string {
  return `process_${partition}_${scope}_${epoch.toString(36)}`;
}

/** Says what ended and where to look; never carries the payload or a key. */
function eventOf(record: ProcessRecord, publicUrl: string) {
  const id = processId(record);
  const { self, result } = processLinks(id, publicUrl);
  return {
    type: `process.${record.status}`,
    timestamp: new Date(record.endedAt ?? record.updatedAt).toISOString(),
    data: {
      id,
      service: record.service,
      status: record.status,
      executed: record.executed,
      httpStatus: record.httpStatus,
      problem: record.problem,
      links: { self, result },
    },
  };
}

function signingKeys({ name, secrets }: DeliveryEndpoint): SigningKey[] {
  return secrets.map((secret) => {
    const key = readSigningKey(secret);
    if (key === null) throw new TypeError(`webhook ${name}: a secret is not whsec_<base64>`);
    return key;
  });
}
