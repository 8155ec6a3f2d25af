/** What the admin API answers, as far as the panel reads it. */

export type Role = "viewer" | "operator" | "admin";
export type Status = "pending" | "in-progress" | "completed" | "failed" | "cancelled";
export type Executed = "no" | "yes" | "unknown";

export interface Session {
  readonly actor: string;
  readonly role: Role;
  readonly version: string;
  readonly environment: string;
  readonly serverTime: string;
}

export interface ProcessLine {
  readonly id: string;
  readonly service: string;
  readonly route: string;
  readonly operation: string;
  readonly status: Status;
  readonly phase: string | null;
  readonly version: number;
  readonly createTime: string;
  readonly endTime: string | null;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly httpStatus: number | null;
  readonly executed: Executed | null;
  readonly problem: string | null;
  readonly reason: string | null;
  readonly progress: { readonly percent: number | null; readonly message: string | null } | null;
  readonly deadLetter: string | null;
  readonly requestKept: boolean;
  readonly tookMs: number | null;
}

export interface ProcessDetail extends ProcessLine {
  readonly identity: string;
  readonly startTime: string | null;
  readonly deadlineTime: string | null;
  readonly expireTime: string | null;
  readonly keepUntilTime: string | null;
  readonly nextAttemptTime: string | null;
  readonly owner: string | null;
  readonly leaseMs: number;
  readonly fence: number;
  readonly jobId: string | null;
  readonly hasCredential: boolean;
  readonly resultKept: boolean;
  readonly traceparent: string | null;
  readonly rerunOf: string | null;
  readonly supersededBy: string | null;
  readonly webhook: { readonly endpoint: string; readonly state: string; readonly attempts: number } | null;
  readonly mirror: string | null;
}

export interface TimelineEntry {
  readonly at: number;
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string | null;
  readonly totalSize: number | null;
  readonly isEstimate: boolean;
  readonly scanned?: number;
  readonly asOf: string;
}

export interface ProcessPage extends Page<ProcessLine> {
  readonly counts: Readonly<Record<Status, number>>;
  readonly services: readonly string[];
}

export interface Attention {
  readonly check: string;
  readonly level: "bad" | "unknown" | "warn";
  readonly what: string;
  readonly detail: string;
  readonly sinceMs: number | null;
  readonly link: string;
}

export type SeriesName =
  | "requests"
  | `requests.${"run" | "saved" | "cache" | "plain" | "refused"}`
  | "keyed"
  | `errors.${"client" | "server"}`
  | `${"latency" | "service"}.${"p50" | "p95" | "p99"}`
  | "attempts"
  | "attempts.failed"
  | `saved.${"replayed" | "joined"}`
  | `cache.${"requests" | "hits"}`
  | `callbacks.${"accepted" | "refused"}`
  | `processes.${"started" | "completed" | "failed" | "cancelled" | "running" | "pending"}`
  | "deadLetters"
  | `mirror.${"alike" | "different" | "failed" | "lag" | "waiting"}`;

/** A value for each point, oldest first; null: no data. */
export interface Series {
  readonly from: string;
  readonly step: number;
  readonly lastStep: number;
  readonly series: Readonly<Partial<Record<SeriesName, readonly (number | null)[]>>>;
  readonly totals: Readonly<Partial<Record<SeriesName, number | null>>>;
}

export interface Overview {
  readonly checks: number;
  readonly needsALook: readonly Attention[];
  readonly services: readonly {
    readonly name: string;
    readonly counts: Readonly<Record<Status, number>>;
    readonly running: number;
    readonly oldestMs: number | null;
    readonly instances: number;
    readonly down: readonly string[];
    readonly open: readonly string[];
    readonly pausedMs: number;
  }[];
  readonly replicas: readonly {
    readonly id: string;
    readonly role: string;
    readonly version: string;
    readonly config: string;
  }[];
  readonly coverage: readonly Coverage[];
  readonly cacheBytes: number | null;
  readonly deadLetters: number;
}

export interface Coverage {
  readonly service: string;
  readonly route: string;
  readonly eligible: number;
  readonly matched: number;
  readonly masked: number;
  readonly different: number;
  readonly race: number;
  readonly failed: number;
  readonly pending: number;
  readonly skipped: Readonly<Record<string, number>>;
  readonly ratio: number | null;
}

export interface DeadLetterGroup {
  readonly service: string;
  readonly operation: string;
  readonly class: string;
  readonly reason: string;
  readonly executed: Executed;
  readonly count: number;
  readonly kept: number;
  readonly newestAt: number;
  readonly perMinute: readonly number[];
}

export interface Payload {
  readonly line: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly bytes: number;
  readonly truncated: boolean;
}

export interface ServiceView {
  readonly name: string;
  readonly isConfigured: boolean;
  readonly counts: Readonly<Record<Status, number>>;
  readonly pausedMs: number;
  readonly isBreakerOpen: boolean;
  readonly instances: readonly {
    readonly name: string;
    readonly origin: string;
    readonly weight: number;
    readonly state: string;
    readonly reason: string;
    readonly checkTime: string | null;
    readonly isBreakerOpen: boolean;
  }[];
  readonly routes: readonly {
    readonly name: string;
    readonly methods: readonly string[];
    readonly path: string;
    readonly process: { readonly identity: string; readonly resultTtlMs: unknown } | null;
    readonly isCached: boolean;
    readonly isMirrored: boolean;
  }[];
}

export interface ReplicaView {
  readonly id: string;
  readonly role: string;
  readonly version: string;
  readonly config: string;
  readonly startTime: string;
}

export interface AuditLine {
  readonly id: string;
  readonly time: string;
  readonly actor: string;
  readonly role: string;
  readonly source: string;
  readonly address: string;
  readonly action: string;
  readonly target: string;
  readonly reason: string;
  readonly result: string | null;
  readonly requestId: string;
}

export interface DifferenceGroup {
  readonly service: string;
  readonly route: string;
  readonly class: string;
  readonly path: string;
  readonly count: number;
}

export interface DifferenceView {
  readonly id: string;
  readonly time: string;
  readonly service: string;
  readonly secondary: string;
  readonly route: string;
  readonly operation: string;
  readonly class: string;
  readonly processId: string | null;
  readonly orderKey: string;
  readonly sides: {
    readonly primary: DifferenceSide;
    readonly secondary: DifferenceSide;
  };
  readonly edits: readonly {
    readonly part: string;
    readonly path: string;
    readonly primary: string | null;
    readonly secondary: string | null;
  }[];
  readonly truncated: boolean;
  readonly masked: number;
  readonly acknowledged: { readonly by: string; readonly note: string; readonly at: string } | null;
}

export interface DifferenceSide {
  readonly instance: string | null;
  readonly status: number | null;
  readonly latencyMs: number | null;
  readonly bodyBytes: number | null;
  readonly error: string | null;
}

export interface CacheKey {
  readonly url: string;
  readonly key: string;
  readonly service: string;
  readonly hits: number;
  readonly notStored: string | null;
  readonly variants: readonly {
    readonly varyNames: readonly string[];
    readonly status: number;
    readonly bytes: number;
    readonly ageMs: number;
    readonly ttlMs: number;
    readonly lifetimeFrom: string;
    readonly isStale: boolean;
    readonly tags: readonly string[];
  }[];
}
