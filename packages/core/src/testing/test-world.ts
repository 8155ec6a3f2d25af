/**
 * The world of a unit test: a manual clock, a memory store on it, one service with one route and its rules, and ids and
 * random numbers that are the same in every run. What needs the engine is built on it by `@sticky-proxy/engine/testing`.
 */
import { asScope, usualEnvelope } from "@sticky-proxy/protocol";
import { unkeyedPolicy, type Rules } from "../process/rules.ts";
import type { BeginRequest } from "../process/life.ts";
import type { Draft, StoredRequest } from "../process/store.ts";
import type { ProcessPolicy, Route, Service } from "../registry/service.ts";
import { createManualClock, type ManualClock } from "./manual-clock.ts";
import { createMemoryStore, type MemoryStore } from "./memory-process-store.ts";

export interface TestWorldOptions {
  readonly partitions?: number;
  /** Over the policy of a keyed route that keeps its requests and sends nothing unknown again. */
  readonly policy?: Partial<ProcessPolicy>;
  readonly retries?: Rules["retries"];
  readonly honoursKey?: boolean;
  /** What random() answers; default 0.5. */
  readonly random?: number;
}

export interface TestWorld {
  readonly clock: ManualClock;
  readonly store: MemoryStore;
  readonly rules: Rules;
  readonly route: Route;
  /** Named `payments`; its one route is named `r`. */
  readonly service: Service;
  readonly random: () => number;
  /** id1, id2, … */
  readonly newId: () => string;
  /** A submission to the route: POST /charges with the key `k`, in partition 3. */
  request(over?: Partial<BeginRequest>): BeginRequest;
  /** A new process in progress under a scope of its own, for tests that write to the store itself. */
  draft(fields?: Draft["fields"], over?: Partial<Draft>): Draft;
}

const keyedPolicy: ProcessPolicy = {
  ...unkeyedPolicy,
  identity: "key",
  resultTtlMs: 100_000,
  onUnknown: { cut: "fail", timeout: "fail", lost: "fail", answered: "fail" },
  keepRequest: true,
};

export function createTestWorld(options: TestWorldOptions = {}): TestWorld {
  const clock = createManualClock();
  const { partitions, honoursKey = false, random = 0.5 } = options;
  const store = createMemoryStore({
    now: clock.now,
    ...(partitions === undefined ? {} : { partitions }),
  });
  const rules: Rules = {
    policy: { ...keyedPolicy, ...options.policy },
    retries: options.retries ?? { attempts: 1, minMs: 1, maxMs: 1 },
    honoursKey,
  };
  const route = testRoute({ process: rules.policy, retries: rules.retries });
  let ids = 0;
  const newId = (): string => `id${(ids += 1)}`;
  return {
    clock,
    store,
    rules,
    route,
    service: testService({ routes: [route], honoursKey }),
    random: () => random,
    newId,
    request: (over = {}) => ({
      scope: asScope("scope"),
      partition: Math.min(3, store.partitions - 1),
      principal: null,
      service: "payments",
      route: "r",
      operation: "POST /charges",
      rules,
      claim: { fingerprint: "f", credential: "", force: false, onDuplicate: "join" },
      holder: "",
      deadlineMs: null,
      notify: null,
      traceparent: null,
      mirror: false,
      pausedMs: 0,
      request: testRequest(),
      ...over,
    }),
    draft(fields = {}, over = {}) {
      const id = newId();
      return {
        partition: 0,
        scope: asScope(id),
        fields: { service: "payments", status: "in-progress", ...fields },
        spans: {},
        request: null,
        writeId: id,
        ...over,
      };
    },
  };
}

/** POST / with the key `k` and an empty body. */
export function testRequest(over: Partial<StoredRequest> = {}): StoredRequest {
  return {
    head: { method: "POST", path: "/", query: null, headers: [] },
    key: "k",
    body: new Uint8Array(),
    ...over,
  };
}

/** A route named `r` for every request, without process, cache and mirror. */
export function testRoute(over: Partial<Route> = {}): Route {
  return {
    name: "r",
    match: { methods: [], path: "/**" },
    process: null,
    cache: null,
    mirror: null,
    maxBodyBytes: 1_048_576,
    headers: { request: new Map(), response: new Map() },
    bodySchema: null,
    retries: { attempts: 1, minMs: 1, maxMs: 1 },
    cookies: "use",
    signatures: "whole",
    forwardCredential: false,
    allowUpgrade: false,
    ...over,
  };
}

/** A service named `payments` with one instance and no routes. */
export function testService(over: Partial<Service> = {}): Service {
  return {
    name: "payments",
    instances: [{ name: "a", origin: "http://payments.test", weight: 1 }],
    match: { host: null, path: "/payments" },
    health: null,
    callbackAuth: { mode: "token", secrets: [], sharedToken: null },
    limits: { maxInFlight: 100, maxQueue: 100, queueTimeoutMs: 1000 },
    tls: null,
    timeouts: { connectMs: 1000, firstByteMs: 1000, idleMs: 1000 },
    credential: [],
    ignoredCookies: [],
    access: "id",
    authentication: "off",
    errorEnvelope: usualEnvelope,
    hostAliases: new Map(),
    preserveHost: false,
    rewrite: "auto",
    affinity: null,
    migration: null,
    breaker: null,
    honoursKey: false,
    paceBy: "principal",
    cors: null,
    routes: [],
    ...over,
  };
}
