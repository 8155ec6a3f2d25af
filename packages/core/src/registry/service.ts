/**
 * What a service is, after configuration: every value present, every default applied.
 * `runtime` makes these from sticky.yaml and flags; everybody else only reads them.
 */
import type { AuthenticationMode } from "../principal/authentication.ts";
import type { ErrorEnvelope } from "@sticky-proxy/protocol";
import type { CorsPolicy } from "../http/cors.ts";
import type { Pointer } from "@sticky-proxy/protocol/json";

export interface Service {
  /** [a-z0-9][a-z0-9-]{0,62}; also its first path segment unless `match` says otherwise. */
  readonly name: string;
  readonly instances: readonly Instance[];
  readonly match: ServiceMatch;
  /** null: no active probe. */
  readonly health: HealthPolicy | null;
  readonly callbackAuth: CallbackAuth;
  readonly limits: ServiceLimits;
  readonly timeouts: UpstreamTimeouts;
  /** Of connections to `https` instances; null: the system's authorities, no client certificate, TLS 1.2. */
  readonly tls: UpstreamTls | null;
  /** Lines that its instances get with every request, copies too, in place of the client's; names lower-case. */
  readonly fields?: { readonly set: ReadonlyMap<string, string> };
  /** Header names (lower-case) or "cookie.<name>" whose values are the request's credential; empty: none. */
  readonly credential: readonly string[];
  /** Names of cookies that tell nothing about who asks; a name may end in "*". */
  readonly ignoredCookies: readonly string[];
  /** Who may read a process by its id: whoever has it, or its owner alone. Changing one always takes its owner. */
  readonly access: "id" | "owner";
  /** Whether requests need a proof of who sends them. */
  readonly authentication: AuthenticationMode;
  /** Members that problems of ours also carry, in the form that the service's clients know. */
  readonly errorEnvelope: ErrorEnvelope;
  /** Lower-case host names without port → the host as which they count. */
  readonly hostAliases: ReadonlyMap<string, string>;
  /** Forward the client's Host instead of the instance's. */
  readonly preserveHost: boolean;
  /** auto: its own paths and addresses in what it answers are mapped to the public ones; off: they stay. */
  readonly rewrite: "auto" | "off";
  /** What keeps a client at one instance while that lives; null: the load alone decides. */
  readonly affinity: Affinity | null;
  readonly breaker: BreakerPolicy | null;
  /** The service honours Idempotency-Key or Sticky-Fence, so an unsafe request may be sent again. */
  readonly honoursKey: boolean;
  /**
   * Whom a 429 with Retry-After pauses: its principal (an anonymous one: its address), or the whole service; and a 503:
   * the instance that said it, or the whole service.
   */
  readonly paceBy: "principal" | "service";
  /** What pages of other origins may do; null: the service itself says. */
  readonly cors: CorsPolicy | null;
  /** Its clients may be moved to the backend of the service `to`, which no client reaches; null: they stay. */
  readonly migration: MigrationPolicy | null;
  readonly routes: readonly Route[];
}

export interface MigrationPolicy {
  readonly to: string;
  /** Gates: largest share of compared pairs that may differ, and how many there must be. */
  readonly maxDifferenceRate: number;
  readonly minCompared: number;
  /** How long writes wait at most while the outbox drains. */
  readonly barrierMs: number;
}

export type Affinity = "address" | { readonly cookie: string } | { readonly field: string };

/** Paths of PEM files; null: none. */
export interface UpstreamTls {
  /** Authorities that are trusted instead of the system's. */
  readonly ca: string | null;
  /** This gateway's own certificate and key, which the service asks for. */
  readonly cert: string | null;
  readonly key: string | null;
  /** The name that is asked for and that the service's certificate must have; null: the host. */
  readonly serverName: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

export interface Instance {
  /** Shown in logs, metrics and admin, never to clients: "<host>:<port>" unless configured. */
  readonly name: string;
  /** http or https origin: no userinfo, path, query, fragment; no trailing slash. */
  readonly origin: string;
  readonly weight: number;
}

/** What a request must have beside its method and path; what is absent asks nothing. All of it must hold. */
export interface MatchConditions {
  /** Lower-case, without port; "*.example.test" takes every name below example.test. One must be the request's. */
  readonly hosts?: readonly string[];
  /** Names lower-case. "*" in a value stands for any text; several lines of a field are joined by ", ". */
  readonly headers?: Readonly<Record<string, string>>;
  /** A parameter's name, and its value as in headers; one of its occurrences must fit. */
  readonly query?: Readonly<Record<string, string>>;
}

export interface ServiceMatch extends MatchConditions {
  /**
   * Lower-case host without port; null: any, or those of `hosts`; "": none, so that no client reaches it (a mirror's
   * secondary).
   */
  readonly host: string | null;
  /** Prefix at segment ends, stripped before routing unless `strip` is false; "/" takes every path. Default "/<service>". */
  readonly path: string;
  readonly strip?: false;
}

export interface HealthPolicy {
  readonly path: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Consecutive successes that bring an instance back, failures that take it out. */
  readonly rise: number;
  readonly fall: number;
}

export interface CallbackAuth {
  /** Which proofs count: the execution token, a Standard Webhooks signature, both together, or (insecure) none. */
  readonly mode: "token" | "signature" | "either" | "both" | "none";
  /** Standard Webhooks secrets ("whsec_<base64>"), newest first. */
  readonly secrets: readonly string[];
  /** Shared token for a service with one fixed webhook address; null: none. */
  readonly sharedToken: string | null;
}

export interface ServiceLimits {
  /** Requests in flight per service and replica; beyond it they queue. */
  readonly maxInFlight: number;
  readonly maxQueue: number;
  readonly queueTimeoutMs: number;
}

export interface UpstreamTimeouts {
  readonly connectMs: number;
  /** Until the first byte of the response's head. */
  readonly firstByteMs: number;
  /** Between two body chunks. */
  readonly idleMs: number;
}

export interface BreakerPolicy {
  readonly failures: number;
  readonly openMs: number;
}

export interface RouteMatch extends MatchConditions {
  /** Upper-case; empty: any method. */
  readonly methods: readonly string[];
  /** Prefix at segment ends ("/" matches all) or a pattern, seen after the service's own prefix is stripped. */
  readonly path: string;
}

export interface Route {
  /** Unique in its service: "POST /charges" style template, used as metric label and in records. */
  readonly name: string;
  readonly match: RouteMatch;
  /** null: plain proxying. */
  readonly process: ProcessPolicy | null;
  /** null: not cached. Never together with `process`. */
  readonly cache: CachePolicy | null;
  readonly mirror: MirrorPolicy | null;
  readonly maxBodyBytes: number;
  /** maxBodyBytes is the default for what a process keeps: a request that the route leaves plain is not bound by it. */
  readonly boundsKeptOnly?: true;
  /** Header lines set on the way to the service and on the way back, names lower-case. */
  readonly headers: {
    readonly request: ReadonlyMap<string, string>;
    readonly response: ReadonlyMap<string, string>;
  };
  /** JSON Schema (draft 2020-12 subset) the JSON body must match; null: none. */
  readonly bodySchema: Readonly<Record<string, unknown>> | null;
  readonly retries: RetryPolicy;
  /** `ignore`: the request counts, and goes on, as if its client had no cookies but those of the cache's key. */
  readonly cookies: "use" | "ignore";
  /** What of a signature tells who asks: all of it, or the id of its key. */
  readonly signatures: "whole" | "key-id";
  /** The credential that the gateway has checked goes on to the service. */
  readonly forwardCredential: boolean;
  readonly allowUpgrade: boolean;
  /** Paths with "%2F" (data inside a segment), and with empty segments, are sent on instead of refused. */
  readonly encodedSlash?: boolean;
  readonly emptySegments?: boolean;
}

export type Identity = "request" | "key" | "none";
export type OnUnknown = "release" | "fail" | "retry" | "probe";
export type OnDuplicate = "join" | "reject" | "replace";

export interface ProcessPolicy {
  readonly identity: Identity;
  /** For identity `key`: what a request without a key means. */
  readonly key: "required" | "optional" | "ignored";
  /** How long a client waits for the result; 0: 202 at once. */
  readonly waitMs: number;
  readonly onWaitEnd: "accepted" | "timeout";
  readonly completion: "response" | "callback";
  readonly onDuplicate: OnDuplicate;
  /** What Sticky-On-Duplicate may ask for. */
  readonly allowOnDuplicate: readonly OnDuplicate[];
  readonly force: boolean;
  readonly leaseMs: number;
  /** From the first dispatch to the end of the process; null: none. */
  readonly deadlineMs: number | null;
  /** In awaiting-callback: the longest silence between heartbeats; null: only the deadline counts. */
  readonly heartbeatTimeoutMs: number | null;
  /** How long a result is replayed, by the class of its status where that says something else. */
  readonly resultTtlMs: number;
  readonly resultTtlByClass: Readonly<Partial<Record<StatusClass, number>>>;
  readonly tombstoneMs: number;
  readonly maxResultBytes: number;
  readonly onUnknown: Readonly<Record<UnknownKind, OnUnknown>>;
  /** After a cancel: may the same key start anew? */
  readonly restartCancelled: boolean;
  /** Does a 5xx of the service count as `failed`, and is it kept (identity key) or released (identity request)? */
  readonly keepServerErrors: boolean;
  /** Statuses that say the service did not execute. */
  readonly notExecutedStatuses: readonly number[];
  /** Statuses that refuse a request before the work: passed on, never replayed, never sent again by the gateway. */
  readonly refusedStatuses: readonly number[];
  /** A JSON answer of 2xx with this value counts as a 500; null: the status decides. */
  readonly failedWhen: FailedWhen | null;
  /** Header names (lower-case) that enter the fingerprint. */
  readonly fingerprintHeaders: readonly string[];
  /** What does not count: members of the body (fields of a form), query parameters by name ("*" may end one). */
  readonly fingerprintIgnore: { readonly members: readonly Pointer[]; readonly query: readonly string[] };
  /** Where the client's key stands instead of Idempotency-Key; null: there. */
  readonly keyFrom: KeyPlace | null;
  /** Response headers kept in the stored result; empty: all end-to-end ones. */
  readonly storedHeaders: readonly string[];
  readonly callback: CallbackPolicy;
  /** Poll `Location` when the service answers 202. */
  readonly pollLocation: PollPolicy | null;
  /** Absolute URL on the service's side told about a cancel; null: none. */
  readonly cancelHook: string | null;
  readonly probe: ProbePolicy | null;
  readonly keepRequest: boolean;
}

/** Why nobody knows whether the service ran a request; `answered`: it said 408, 502 or 504. */
export type UnknownKind = "cut" | "timeout" | "lost" | "answered";
export type StatusClass = "2xx" | "3xx" | "4xx" | "5xx";

export type KeyPlace =
  /** Lower-case. */
  | { readonly header: string }
  | { readonly json: Pointer }
  /** A field of application/x-www-form-urlencoded or multipart/form-data. */
  | { readonly form: string };

export interface FailedWhen {
  readonly pointer: Pointer;
  /** Any of these; absent: anything but null, false and an empty list. */
  readonly equals?: readonly (string | number | boolean | null)[];
}

export interface RetryPolicy {
  /** Dispatches in all, the first included. */
  readonly attempts: number;
  readonly minMs: number;
  readonly maxMs: number;
}

export interface CallbackPolicy {
  readonly inject: {
    readonly query: string | null;
    readonly json: Pointer | null;
    readonly header: string | null;
  };
  /** How to read the outcome from the service's own payload; null: our own form. */
  readonly accept: {
    readonly status: Pointer;
    readonly completed: readonly string[];
    readonly failed: readonly string[];
    readonly result: Pointer | null;
    readonly error: Pointer | null;
    /** Job id in the callback that must equal the one in the service's answer. */
    readonly jobId: { readonly response: Pointer; readonly callback: Pointer } | null;
  } | null;
  /** For a fixed webhook address: where the job's id stands in the answer and in the callback. */
  readonly correlate: { readonly response: Pointer; readonly callback: Pointer } | null;
}

export interface PollPolicy {
  readonly minMs: number;
  readonly maxMs: number;
  /** Words of the member `status`, in any case of letters; other words are left alone. */
  readonly running: readonly string[];
  readonly completed: readonly string[];
  readonly failed: readonly string[];
}

export interface ProbePolicy {
  /** Path on the service; "{id}" and "{key}" are replaced. */
  readonly path: string;
  readonly intervalMs: number;
}

export interface CachePolicy {
  readonly profile: "safe" | "conformance";
  /** Used when the response says nothing; null: heuristics only. */
  readonly defaultTtlMs: number | null;
  readonly maxTtlMs: number | null;
  readonly negativeTtlMs: ReadonlyMap<number, number>;
  readonly staleWhileRevalidateMs: number | null;
  readonly staleIfErrorMs: number | null;
  readonly maxObjectBytes: number;
  readonly maxVariants: number;
  readonly query: {
    readonly sort: boolean;
    /** Parameter names kept, null: all; names may end in "*". */
    readonly allow: readonly string[] | null;
    readonly deny: readonly string[];
  };
  /** Request headers and cookies that enter the key and may reach the service. */
  readonly keyHeaders: readonly string[];
  readonly keyCookies: readonly string[];
  /** Which fields of a request reach the service: all but known unkeyed ones, or those of the key alone. */
  readonly forwardHeaders: "end-to-end" | "keyed-only";
  /** The service's: header names (lower-case) or "cookie.<name>" that tell who asks. */
  readonly credential: readonly string[];
  /** The service's. */
  readonly ignoredCookies: readonly string[];
  /** Read Surrogate-Key / Cache-Tag. */
  readonly tags: boolean;
  readonly bypass: { readonly authorization: boolean; readonly cookies: readonly string[] };
  readonly ttlJitter: number;
  readonly collapseCredentials: boolean;
  /** A client's no-cache, max-age and min-fresh count, or are as if they were not there. */
  readonly clientReload: "obey" | "ignore";
  /** A response whose body says that it is no success is not stored; null: the status says all. */
  readonly failedWhen: FailedWhen | null;
  readonly cacheStatusKey: boolean;
  /** Name of a route that asks for more than a path, which stores apart from the other routes of its paths; absent: none. */
  readonly apart?: string;
}

export type MirrorMode = "off" | "shadow" | "dual-write" | "dual-read";

export interface MirrorPolicy {
  /** Name of the secondary service. */
  readonly to: string;
  readonly mode: MirrorMode;
  /** Share of order keys that are mirrored, 0 to 1. `dual-write` is always 1. */
  readonly rate: number;
  readonly outbox: "best-effort" | "required";
  /** null: principal + path, behind earlier ones of the paths above. */
  readonly orderKey:
    | { readonly header: string }
    | { readonly json: Pointer }
    | { readonly path: string }
    | null;
  readonly mirror4xx: boolean;
  readonly credentials: "drop" | "forward";
  readonly onDeadKey: "stop-key" | "continue";
  readonly maxAgeMs: number;
  readonly maxLag: MaxLag;
  /** null: ids that differ between the backends are told as differences, and what would need them stops its key. */
  readonly idMap: IdMapPolicy | null;
  readonly compare: ComparePolicy;
}

/** How the secondary's ids are learnt, and where they are put. */
export interface IdMapPolicy {
  /** Where the answer to a creation tells the id; else the end of its Location. */
  readonly from: Pointer;
  /** Path of the creations whose ids are meant in bodies; null: the route's. */
  readonly collection: string | null;
  /** Places that must not carry an id which has no pair. */
  readonly into: readonly ({ readonly parameter: string } | { readonly pointer: Pointer })[];
}

/** Bounds of what waits for one secondary. */
export interface MaxLag {
  readonly entries: number;
  /** Of bodies; null: a share of the store's memory. */
  readonly bytes: number | null;
  /** Age of the oldest waiting copy beyond which no new one is added. */
  readonly ageMs: number;
}

/** A mask pointer may hold "*" (one token) and "**" (any number). */
export interface ComparePolicy {
  readonly sampleRate: number;
  readonly status: "exact" | "class";
  readonly headers: readonly string[];
  readonly exactErrors: boolean;
  readonly ignore: readonly Pointer[];
  readonly rules: readonly MaskRule[];
  readonly ttlMs: number;
  readonly maxDifferences: number;
}

export type MaskRule =
  | { readonly at: Pointer; readonly kind: "type" }
  | { readonly at: Pointer; readonly kind: "format"; readonly format: "uuid" | "timestamp" | "hash" }
  | { readonly at: Pointer; readonly kind: "tolerance"; readonly amount: number }
  | { readonly at: Pointer; readonly kind: "timeTolerance"; readonly ms: number }
  | { readonly at: Pointer; readonly kind: "set" }
  | { readonly at: Pointer; readonly kind: "keyed"; readonly by: Pointer };
