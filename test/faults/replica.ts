/**
 * One replica's heart without its wire: processes, watchdog and executor over a Redis connection of its own, with
 * every store call under the test's control. Several of them share one key prefix, as replicas do.
 */
import { tokenKeys } from "@sticky-proxy/core/principal";
import { asMonotonicMs, asScope } from "@sticky-proxy/protocol";
import { randomBytes } from "node:crypto";
import { partitionOf } from "@sticky-proxy/core/idempotency";
import {
  processId,
  type BeginRequest,
  type Lease,
  type ProcessRecord,
  type ProcessRef,
  type Rules,
  type StoredRequest,
} from "@sticky-proxy/core/process";
import { type Begun, createEngine, type Run, type Engine } from "@sticky-proxy/engine";
import type { OnDuplicate, ProcessPolicy } from "@sticky-proxy/core/registry";
import { loadConfig, sleep } from "@sticky-proxy/runtime";
import { openStore, type OpenStore } from "@sticky-proxy/store";
import { createSweeper, type Sweeper } from "@sticky-proxy/sweeper";
import { createForwarder } from "@sticky-proxy/upstream";
import { gatedStore, type GatedStore } from "./gated-store.ts";

export interface Submitted {
  readonly scope: string;
  readonly body?: string;
  readonly force?: boolean;
  readonly onDuplicate?: OnDuplicate;
}

export interface Replica {
  readonly name: string;
  readonly open: OpenStore;
  readonly store: GatedStore;
  readonly engine: Engine;
  /** Leases that its watchdog found lost. */
  readonly lost: Lease[];
  /** What it committed: event and process. */
  readonly transitions: {
    readonly event: string;
    readonly id: string;
    readonly executed: ProcessRecord["executed"];
    readonly deadLetter: ProcessRecord["deadLetter"];
  }[];
  /** The node stands still for that long by its own monotonic clock. */
  standStill(ms: number): void;
  /** Its service is paused for so long; 0: not any more. */
  pause(ms: number): void;
  begin(submitted: Submitted): Promise<Begun>;
  /** Runs what `begin` started; the answer is what the client would get. */
  run(record: ProcessRecord, body?: string): Promise<Run>;
  /** Begins and expects to start. */
  start(submitted: Submitted): Promise<ProcessRecord>;
  /** The scope's current process, whatever it is. */
  placeOf(scope: string): Parameters<OpenStore["processes"]["read"]>[0];
  /** Told when its claims pause. */
  onPause: (why: string, ms: number) => void;
  close(): Promise<void>;
}

export interface ReplicaOptions {
  readonly name: string;
  readonly redisUrl: string;
  /** In place of `redisUrl`. */
  readonly target?: Parameters<typeof openStore>[0]["target"];
  readonly keyPrefix: string;
  readonly origin: string;
  /** Over the route's own; may be smaller than a configuration allows. */
  readonly policy?: Partial<ProcessPolicy>;
  readonly attempts?: number;
  /** It hears no notices: what it learns it learns from the store's answers. */
  readonly isDeaf?: boolean;
  /** Default 8. */
  readonly partitions?: number;
  readonly deadLetterMs?: number;
  /** Default `standard`. */
  readonly profile?: "standard" | "ha";
}

export async function startReplica(options: ReplicaOptions): Promise<Replica> {
  const loaded = loadConfig({
    yaml: `services: { svc: { instances: [${options.origin}], honoursKey: true, routes: [{ process: { identity: key, force: true } }] } }`,
    env: {},
    flags: {},
    node: options.name,
  });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  const [service] = loaded.config.services;
  const [route] = service!.routes;
  const policy = { ...route!.process!, ...options.policy };
  const retries = { attempts: options.attempts ?? 1, minMs: 1, maxMs: 1 };
  const rules: Rules = { policy, retries, honoursKey: true };
  const services = [{ ...service!, routes: [{ ...route!, process: policy, retries }] }];
  const open = await openStore({
    target: options.target ?? { url: options.redisUrl },
    keyPrefix: options.keyPrefix,
    partitions: options.partitions ?? 8,
    timelineLength: 100,
    waitMs: 5000,
    onError: () => undefined,
    profile: options.profile ?? "standard",
    onPause: (why, ms) => replica.onPause(why, ms),
  });
  const store = gatedStore(open.processes);
  const forwarder = createForwarder({ pseudonym: "sticky-proxy", loopId: "test" });
  const lost: Lease[] = [];
  const transitions: Replica["transitions"][number][] = [];
  let stoodStillMs = 0;
  let pausedMs = 0;
  const clock = { monotonic: () => asMonotonicMs(performance.now() + stoodStillMs) };
  const engine = createEngine({
    store,
    pins: open.pins,
    changes: options.isDeaf === true ? { watch: () => ({ close: () => undefined }) } : open.changes,
    forwarder,
    node: options.name,
    services: () => services,
    publicUrl: () => "http://127.0.0.1:1",
    secret: open.meta.secret,
    tokens: tokenKeys({ secrets: [], acceptStored: false }, open.meta.secret),
    intents: null,
    guard: null,
    pacing: {
      pausedMs: () => pausedMs,
      isPaused: () => pausedMs > 0,
      pause: () => undefined,
      reserve: () => () => undefined,
    },
    confirm: open.confirm,
    ...(options.deadLetterMs === undefined ? {} : { deadLetterMs: options.deadLetterMs }),
    clock,
    sleep,
    onTransition: (_from, to, event) => {
      transitions.push({ event, id: processId(to), executed: to.executed, deadLetter: to.deadLetter });
    },
    onLeaseLost: (lease) => lost.push(lease),
    onFailure: () => undefined,
  });

  function requestOf(body: string): StoredRequest {
    return {
      head: { method: "POST", path: "/x", query: null, headers: [] },
      key: "k",
      body: Buffer.from(body),
    };
  }
  function beginning({ scope, body = "", force = false, onDuplicate = "join" }: Submitted): BeginRequest {
    return {
      scope: asScope(scope),
      partition: partitionOf(scope, open.meta.partitions),
      principal: null,
      service: service!.name,
      route: route!.name,
      operation: "POST /x",
      rules,
      claim: { fingerprint: "same", credential: "", force, onDuplicate },
      holder: "",
      deadlineMs: null,
      notify: null,
      traceparent: null,
      mirror: false,
      pausedMs: 0,
      request: requestOf(body),
    };
  }
  const begin = (submitted: Submitted): Promise<Begun> => engine.processes.begin(beginning(submitted));

  const replica: Replica = {
    name: options.name,
    open,
    store,
    engine,
    lost,
    transitions,
    begin,
    standStill(ms) {
      stoodStillMs += ms;
    },
    pause(ms) {
      pausedMs = ms;
    },
    run: (record, body = "") =>
      engine.executor.run({
        record,
        service: services[0]!,
        route: services[0]!.routes[0]!,
        rules,
        request: requestOf(body),
        extra: [],
        client: null,
      }),
    async start(submitted) {
      const begun = await begin(submitted);
      if (begun.verdict !== "start") throw new Error(`expected to start, got ${begun.verdict}`);
      return begun.record;
    },
    placeOf: (scope) => ({
      scope: asScope(scope),
      partition: partitionOf(scope, open.meta.partitions),
      epoch: null,
    }),
    onPause: () => undefined,
    async close() {
      await forwarder.close();
      await open.close();
    },
  };
  return replica;
}

/** A sweeper on that node's own connections. */
export function sweeperOn(replica: Replica, hideMs = 60_000): Sweeper {
  const { processes, executor, rules } = replica.engine;
  return createSweeper({
    processes,
    executor,
    node: replica.name,
    pacing: { isPaused: () => false, pausedMs: () => 0 },
    rules,
    unknownWork: { saw: () => undefined, forget: () => undefined, read: () => ({ count: 0, oldestMs: 0 }) },
    isEndpoint: () => true,
    poll: async () => ({ kind: "no-answer", retryInMs: 1000, reason: "" }),
    deliver: async () => ({ delivered: true, retryInMs: null }),
    extra: () => [],
    onDuty: () => undefined,
    onDone: () => undefined,
    onFailure: (_duty, _record, error) => {
      throw error;
    },
    hideMs,
    batch: 100,
  });
}

export function newScope(): string {
  return randomBytes(16).toString("base64url");
}

/** The process under its own id as it stands now. */
export async function readNow(replica: Replica, ref: ProcessRef): Promise<ProcessRecord> {
  const { record } = await replica.open.processes.read(ref, { withResult: false });
  if (record === null) throw new Error("the process is gone");
  return record;
}

/** Rings the alarm of a scope's current process as if its time had come: nobody renewed it for long enough. */
export async function ring(replica: Replica, { partition, scope }: ProcessRef): Promise<void> {
  const { redis, keys } = replica.open;
  await redis.writes.hset(keys.process(partition, scope, null), "wakeAt", "1");
  await redis.writes.zadd(keys.alarms(partition), 1, scope);
}
