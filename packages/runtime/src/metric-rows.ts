/**
 * Every metric: name, unit, closed label sets, by subject. Seconds and bytes, counters end in `_total`.
 * Never a label: key, process id, scope, raw path, query, User-Agent, error text.
 * Gauges of the whole store (marked "leader only") are set by the sweeper's leader alone: exported by
 * every replica their sum would be N-fold.
 */
import { latencyBoundsMs } from "@sticky-proxy/core/series";
import { proxyErrorTypes } from "@sticky-proxy/protocol";
import { text, type MetricKinds } from "./metric-kinds.ts";

const httpBuckets = latencyBoundsMs.map((ms) => ms / 1000);
const processBuckets = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800, 3600];
const redisBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];
const sizeBuckets = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864];

export const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "_OTHER"] as const;
export const statusClasses = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;
const statuses = ["pending", "in-progress", "completed", "failed", "cancelled"] as const;
const budgets = ["requests", "waiters", "event-streams", "stored", "bodies"] as const;
const deadLetterClasses = ["upstream", "callback", "internal"] as const;
/** Class of a response, or the reason why there was none. */
const upstreamOutcomes = ["ok", "4xx", "5xx", ...proxyErrorTypes, "aborted"] as const;

/** Requests of clients. */
export function httpMetrics({ gauge, histogram }: MetricKinds) {
  return {
    httpRequestDuration: histogram(
      "http_request_duration_seconds",
      "From the request's head to the last byte of the answer.",
      { service: text, route: text, method: methods, status_class: statusClasses },
      httpBuckets,
    ),
    httpRequestsInFlight: gauge("http_requests_in_flight", "Requests being answered.", {}),
    httpRequestSize: histogram(
      "http_request_size_bytes",
      "Bodies received, where their length is known ahead.",
      { service: text, route: text },
      sizeBuckets,
    ),
    httpResponseSize: histogram(
      "http_response_size_bytes",
      "Answers as sent, their heads included.",
      { service: text, route: text },
      sizeBuckets,
    ),
  };
}

/** Attempts at services, and this node's view of their instances. */
export function upstreamMetrics({ counter, gauge, histogram }: MetricKinds) {
  return {
    upstreamRequestDuration: histogram(
      "upstream_request_duration_seconds",
      "One attempt at a service.",
      { service: text, method: methods, outcome: upstreamOutcomes },
      httpBuckets,
    ),
    instanceState: gauge("instance_state", "1: usable, 0: not.", { service: text, instance: text }),
    instanceEjections: counter("instance_ejections_total", "Instances taken out by their answers.", {
      service: text,
      instance: text,
    }),
    breakerState: gauge(
      "breaker_state",
      "0: closed, 0.5: half-open, 1: open, for all callers or for one whose own requests failed.",
      { service: text },
    ),
    panic: gauge("panic", "1: too few instances are usable, so all are used.", { service: text }),
    queueDepth: gauge("queue_depth", "Requests waiting for a free slot.", { service: text }),
  };
}

/** Processes: transitions, counts, ends. */
export function processMetrics({ counter, gauge, histogram }: MetricKinds) {
  return {
    processTransitions: counter("process_transitions_total", "Committed transitions.", {
      service: text,
      from: [...statuses, "none"],
      to: statuses,
    }),
    processDuration: histogram(
      "process_duration_seconds",
      "From creation to the end.",
      { service: text, result: ["completed", "failed", "cancelled"] },
      processBuckets,
    ),
    processes: gauge("processes", "Stored processes (leader only).", { service: text, status: statuses }),
    processOldestAge: gauge("process_oldest_age_seconds", "Oldest unfinished process (leader only).", {
      service: text,
      status: statuses,
    }),
    deadLetters: gauge("dead_letters", "Dead letters (leader only).", {
      service: text,
      class: deadLetterClasses,
    }),
    verdicts: counter("verdicts_total", "What became of a request that has an identity.", {
      service: text,
      verdict: ["start", "join", "replay", "conflict", "mismatch", "bypass"],
    }),
    otherKeys: counter(
      "same_request_other_key_total",
      "Requests that began although the same caller had just begun an equal one under another key.",
      { service: text },
    ),
    executionsUnknown: counter(
      "executions_unknown_total",
      "Attempts of which nobody knows whether they ran.",
      {
        service: text,
      },
    ),
    fenceRejected: counter("fence_rejected_total", "Writes refused because a later one had counted.", {
      service: text,
    }),
    leaseLost: counter("lease_lost_total", "Leases that ended under their owner.", { service: text }),
    renewFailures: counter("renew_failures_total", "Renewals that got no answer.", { service: text }),
  };
}

/** Reports of services, webhooks to clients, waiting clients. */
export function reportMetrics({ counter, gauge, histogram }: MetricKinds) {
  return {
    callbacks: counter("callbacks_total", "Reports of services.", {
      service: text,
      outcome: ["accepted", "duplicate", "stale", "unauthorized", "too_large"],
    }),
    deliveries: counter("deliveries_total", "Webhooks to clients.", {
      outcome: ["delivered", "retry", "gone", "failed"],
    }),
    deliveryDuration: histogram(
      "delivery_duration_seconds",
      "One delivery attempt.",
      { outcome: ["delivered", "retry", "gone", "failed"] },
      httpBuckets,
    ),
    wait: histogram(
      "wait_seconds",
      "How long clients waited for a result.",
      { service: text, outcome: ["answered", "timeout", "client_gone", "draining"] },
      processBuckets,
    ),
    waiters: gauge("waiters", "Clients that wait for a result.", { service: text }),
    eventStreams: gauge("event_streams", "Open event streams.", { service: text }),
    budgetRefusals: counter(
      "budget_refusals_total",
      "What was refused because its caller's share was used up.",
      {
        budget: budgets,
      },
    ),
  };
}

/** The cache. */
export function cacheMetrics({ counter, gauge }: MetricKinds) {
  return {
    cacheRequests: counter("cache_requests_total", "Requests of cached routes, as X-Cache says.", {
      service: text,
      route: text,
      result: ["HIT", "MISS", "STALE", "REVALIDATED", "BYPASS"],
    }),
    cacheCollapsed: counter("cache_collapsed_total", "Requests answered by another one's fetch.", {
      service: text,
      route: text,
    }),
    cacheStoreErrors: counter("cache_store_errors_total", "Cache operations that failed open.", {
      operation: ["lookup", "store", "drop", "purge"],
    }),
    cacheBytes: gauge("cache_bytes", "Stored bodies (leader only).", {}),
    cachePurges: counter("cache_purges_total", "Purges.", {
      kind: ["key", "tag"],
    }),
  };
}

/** The mirror. */
export function mirrorMetrics({ counter, gauge, histogram }: MetricKinds) {
  return {
    mirror: counter("mirror_total", "Eligible executions by what became of their copy.", {
      service: text,
      result: ["matched", "masked", "different", "race", "failed", "skipped"],
    }),
    mirrorDifferences: counter("mirror_differences_total", "Differences found.", {
      service: text,
      class: ["status", "header", "body", "missing", "error", "timeout", "race", "order", "too-large", "id"],
    }),
    mirrorDropped: counter("mirror_dropped_total", "Copies that were not sent.", {
      service: text,
      reason: [
        "queue-full",
        "lag",
        "too-large",
        "store-unavailable",
        "sampled-out",
        "not-applicable",
        "primary-unknown",
        "expired",
      ],
    }),
    mirrorLatency: histogram(
      "mirror_latency_seconds",
      "How long each side took to answer a copied call.",
      { service: text, side: ["primary", "secondary"] },
      httpBuckets,
    ),
    mirrorEntries: gauge("mirror_outbox_entries", "Copies not yet sent (leader only).", { service: text }),
    mirrorParked: gauge("mirror_parked_keys", "Order keys that stand aside (leader only).", {
      service: text,
    }),
    mirrorStopped: counter("mirror_stopped_keys_total", "Order keys that stopped and wait for an operator.", {
      service: text,
      reason: ["stopped", "id-unmapped"],
    }),
    mirrorLag: gauge("mirror_lag_seconds", "Age of the oldest copy not yet sent (leader only).", {
      service: text,
    }),
  };
}

/** Periodic tasks. */
export function taskMetrics({ counter, gauge }: MetricKinds) {
  return {
    sweeperLastSuccess: gauge(
      "sweeper_last_success_timestamp_seconds",
      "End of the last complete sweep.",
      {},
    ),
    dutyLastSuccess: gauge(
      "sweeper_duty_last_success_timestamp_seconds",
      "When the last duty of each kind was done; a kind of which none was due stands still.",
      { duty: ["dispatch", "take-over", "poll", "fail", "deliver", "expire", "purge"] },
    ),
    taskLastSuccess: gauge(
      "task_last_success_timestamp_seconds",
      "End of a periodic task's last run without an error.",
      { task: text },
    ),
    taskFailures: counter("task_failures_total", "Runs of a periodic task that failed.", { task: text }),
    duties: counter("duties_total", "What rung alarms called for.", {
      duty: ["dispatch", "take-over", "poll", "fail", "deliver", "expire", "purge"],
    }),
  };
}

/** The state store. */
export function redisMetrics({ counter, gauge, histogram }: MetricKinds) {
  return {
    unknownWork: gauge(
      "unknown_work",
      "Work that is due and whose rules or addresses this sweeper does not know, by kind.",
      { kind: ["process", "copy"] },
    ),
    unknownWorkAge: gauge("unknown_work_oldest_seconds", "How long the oldest of it has been due.", {
      kind: ["process", "copy"],
    }),

    redisCommandDuration: histogram(
      "redis_command_duration_seconds",
      "One script, as this node waited for it.",
      { command: text },
      redisBuckets,
    ),
    redisErrors: counter("redis_errors_total", "Commands without an answer, or with an error.", {
      kind: ["timeout", "connection", "readonly", "oom", "loading", "desync", "other"],
    }),
    redisUp: gauge("redis_up", "1: Redis answers.", {}),
  };
}

/** The node itself. */
export function nodeMetrics({ counter, gauge }: MetricKinds) {
  return {
    authFailures: counter("auth_failures_total", "Refused credentials.", {
      action: ["callback", "purge"],
    }),
    buildInfo: gauge("build_info", "Always 1.", { version: text, node: text, config_hash: text }),
    configsInUse: gauge(
      "configurations_in_use",
      "Configurations among the live replicas, as this node reads it; more than 1: a roll-out, or drift.",
      {},
    ),
    strangeReplicas: gauge(
      "strange_replicas",
      "Live replicas that seem to be of another installation on the same keys.",
      {},
    ),
    configReloadSuccess: gauge(
      "config_reload_success",
      "1: the last configuration that was read is in use.",
      {},
    ),
    certificateEnd: gauge(
      "tls_certificate_end_timestamp_seconds",
      "When the first of the listener's certificates ends.",
      {},
    ),
    configReloadTimestamp: gauge("config_reload_timestamp_seconds", "When it was read.", {}),
  };
}
