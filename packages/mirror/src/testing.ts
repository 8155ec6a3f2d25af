/** The drain of one partition for tests, with memory stores. */
import { asScope } from "@sticky-proxy/protocol";
import {
  type MemoryMirror,
  createMemoryIdMap,
  createMemoryMirror,
  createTestWorld,
  testRoute,
  testService,
} from "@sticky-proxy/core/testing";
import type { MirrorPolicy } from "@sticky-proxy/core/registry";
import { type Pacer, createPacer } from "@sticky-proxy/core/mirror";
import {
  type ProcessRecord,
  createRuleBook,
  StoreUnavailable,
  unkeyedPolicy,
} from "@sticky-proxy/core/process";
import type { StoredResponse } from "@sticky-proxy/core/http";
import { createMirrorIntents } from "@sticky-proxy/engine";
import { createTestProcesses } from "@sticky-proxy/engine/testing";
import type { SecondaryOutcome, SecondaryRequest } from "./secondary.ts";
import { compareJob } from "./compare-worker.ts";
import type { Compared } from "./comparer.ts";
import { type PartitionDrain, type PartitionDrainDeps, createPartitionDrain } from "./partition-drain.ts";

const timeouts = { connectMs: 100, firstByteMs: 1000, idleMs: 1000 };
const policy: MirrorPolicy = {
  to: "users-v2",
  mode: "dual-write",
  rate: 1,
  outbox: "best-effort",
  orderKey: { path: "/users/{id}" },
  mirror4xx: false,
  credentials: "drop",
  onDeadKey: "stop-key",
  maxAgeMs: 10_000,
  idMap: null,
  maxLag: { entries: 1000, bytes: 1_000_000, ageMs: 86_400_000 },
  compare: {
    sampleRate: 1,
    status: "exact",
    headers: [],
    exactErrors: false,
    ignore: [],
    rules: [],
    ttlMs: 1_000_000,
    maxDifferences: 100,
  },
};

export type Script = (request: SecondaryRequest) => SecondaryOutcome | Promise<SecondaryOutcome>;

export const ok =
  (body = '{"a":1}', status = 200): Script =>
  () => ({
    kind: "answered",
    status,
    headers: [["content-type", "application/json"]],
    body: Buffer.from(body),
    instance: "v2",
    latencyMs: 3,
  });
export const down: Script = () => ({
  kind: "failed",
  failure: { kind: "no-answer", error: "connection_refused", timedOut: false },
  instance: null,
  latencyMs: 1,
  aborted: false,
});

/** One partition with memory stores, on a manual clock. */
export class World {
  readonly base = createTestWorld({ partitions: 1 });
  sent: { path: string; key: string | null; fence: string; to: string }[] = [];
  answer: Script = ok();
  changes: Partial<MirrorPolicy> = {};
  /** Called before and after every call of the drain to the outbox. */
  fault: (when: "before" | "after") => boolean = () => false;
  readonly store = this.base.store;
  readonly mirror: MemoryMirror = createMemoryMirror({ now: this.base.clock.now, partitions: 1 });
  readonly ids = createMemoryIdMap();
  readonly troubles: unknown[] = [];
  /** Why keys stopped. */
  readonly stopped: string[] = [];
  readonly engine = createTestProcesses(this.base, {
    rulesOf: (record) => createRuleBook(() => []).rulesOf({ ...record, identity: "none" }),
  });
  readonly processes = this.engine.processes;
  readonly intents = createMirrorIntents({
    memory: () => ({ limit: null, share: null }),
    begin: () => () => undefined,
    outbox: this.mirror,
    policyOf: () => this.policy,
    secret: "s",
    configVersion: () => "1",
    clock: this.base.clock,
    validForMs: 1000,
    marks: () => [],
    onGap: () => undefined,
  });
  readonly pacer: Pacer = createPacer();
  /** Number of pairs that wait for the comparer. */
  comparing = 0;
  drain: PartitionDrain | null = null;
  /** Backend of copies: as the drain sees it, and as it is; the drain sees it when it looks. */
  copiesTo = { seen: "users-v2", now: "users-v2" };
  isStoreAway = false;
  private count = 0;

  get now(): number {
    return this.base.clock.now();
  }

  pass(ms: number): void {
    this.base.clock.advance(ms);
  }

  get policy(): MirrorPolicy {
    return { ...policy, ...this.changes };
  }

  async begin(path: string, body = "{}"): Promise<ProcessRecord> {
    const request = {
      head: { method: "PUT", path, query: null, headers: [] },
      key: null,
      body: Buffer.from(body),
    };
    const record = await this.engine.begin({
      scope: asScope(`scope${this.count++}`),
      service: "users",
      route: "PUT /users",
      operation: `PUT ${path}`,
      rules: { policy: unkeyedPolicy, retries: { attempts: 1, minMs: 1, maxMs: 1 }, honoursKey: false },
      claim: { fingerprint: "", credential: "", force: false, onDuplicate: "join" },
      mirror: true,
      request,
    });
    await this.intents.beforeDispatch(record, request);
    return record;
  }

  async end(record: ProcessRecord, status = 200, body = '{"a":1}'): Promise<void> {
    const response: StoredResponse = {
      status,
      headers: [["content-type", "application/json"]],
      body: Buffer.from(body),
    };
    const result = { id: `r${this.count++}`, response };
    await this.processes.apply(record, {
      type: "responded",
      attempt: record.attempt,
      status,
      result,
      retryAfterMs: null,
    });
  }

  async call(path: string, status = 200, body = '{"a":1}'): Promise<void> {
    const record = await this.begin(path);
    this.pass(1);
    await this.end(record, status, body);
    this.pass(1);
  }

  private outbox(): MemoryMirror {
    const { mirror } = this;
    return new Proxy(mirror, {
      get: (target, name) => {
        const method = Reflect.get(target, name) as unknown;
        if (typeof method !== "function") return method;
        return async (...args: unknown[]): Promise<unknown> => {
          if (this.fault("before")) throw new StoreUnavailable("before");
          const value: unknown = await (method as (...all: unknown[]) => Promise<unknown>).apply(
            target,
            args,
          );
          if (this.fault("after")) throw new StoreUnavailable("after");
          return value;
        };
      },
    });
  }

  async own(signal = new AbortController().signal): Promise<PartitionDrain> {
    const service = testService({ name: "users" });
    const route = testRoute({ name: "PUT /users" });
    const deps: PartitionDrainDeps = {
      outbox: this.outbox(),
      store: this.store,
      markMirrored: async (record) => {
        await this.processes.apply(record, { type: "mirrored" });
      },
      find: () => {
        const secondary = { ...service, name: this.copiesTo.seen, timeouts };
        return { service, route, policy: this.policy, secondary };
      },
      latestServices: async () => {
        if (this.isStoreAway) throw new StoreUnavailable("away");
        this.copiesTo.seen = this.copiesTo.now;
      },
      secondary: {
        send: async (request) => {
          const fence = request.extra.find(([name]) => name === "Sticky-Fence")![1];
          const { secondary, head, idempotencyKey: key } = request;
          this.sent.push({ path: head.path, key, fence, to: secondary.name });
          return this.answer(request);
        },
      },
      ids: this.ids,
      comparer: {
        compare: async (a, b, compare) =>
          compareJob({ id: 1, primary: a, secondary: b, policy: compare, redactKey: "k" }) as Compared,
        waiting: this.comparing,
        close: async () => undefined,
      },
      pacerOf: () => this.pacer,
      random: () => 0.5,
      clock: this.base.clock,
      onAnswered: () => undefined,
      onSettled: () => undefined,
      onTrouble: (error) => this.troubles.push(error),
      onStopped: (_key, _partition, { reason }) => this.stopped.push(reason),
      signal,
    };
    this.drain = createPartitionDrain(deps, 0, await this.mirror.claim(0));
    return this.drain;
  }

  /** Runs one turn and awaits all that it starts. */
  async turn(drain = this.drain!): Promise<void> {
    await drain.tick();
    await drain.idle();
  }

  get paths(): string[] {
    return this.sent.map(({ path }) => path);
  }

  async coverage() {
    const [row] = await this.mirror.coverage({ since: null, service: null });
    return row!.coverage;
  }
}
