/**
 * `begin` and `apply` are the only code that changes a process: read, decide, commit; on `stale` read and decide
 * again. Proxy, callback route, watchdog, sweeper and admin all come through here.
 */
import { asEpochMs, type EpochMs, type Fence, type MonotonicMs, type Clock } from "@sticky-proxy/protocol";
import { type Verdict, verdictOf } from "@sticky-proxy/core/idempotency";
import type { StoredResponse } from "@sticky-proxy/core/http";
import {
  byAlarm,
  birth,
  type BeginRequest,
  isTerminal,
  type ProcessRecord,
  type ProcessRef,
  type Rules,
  supersede,
  transition,
  type Circumstances,
  type ProcessEvent,
  type Transition,
  StoreUnavailable,
  type CommitAnswer,
  type CreateAnswer,
  type Draft,
  type ProcessStore,
  type Snapshot,
  type StoredRequest,
} from "@sticky-proxy/core/process";

export interface ProcessesDeps {
  readonly store: ProcessStore;
  /** This node's name, unique among live nodes; the owner of what it dispatches. */
  readonly node: string;
  readonly rulesOf: (record: Pick<ProcessRecord, "service" | "route" | "identity">) => Rules;
  /** In [0, 1). */
  readonly random: () => number;
  readonly newId: () => string;
  readonly clock: Pick<Clock, "monotonic">;
  /** Told of every committed change; from null: created. */
  readonly onTransition: (from: ProcessRecord | null, to: ProcessRecord, event: string) => void;
  /** Told when the word of a late owner or service is refused, because a later write had counted (P2, P10). */
  readonly onRefused?: (record: ProcessRecord, event: ProcessEvent["type"]) => void;
  /** How long dead letters stay to be redriven; default 30 days. */
  readonly deadLetterMs?: number;
  /** Set when the profile wants a write confirmed by others before anything is sent. */
  readonly confirm: (() => Promise<void>) | null;
}

interface Started {
  readonly verdict: "start";
  readonly record: ProcessRecord;
  /** The process that had to move aside; null: none. */
  readonly superseded: ProcessRecord | null;
}

export type Begun =
  | Started
  | (Exclude<Verdict, { verdict: "start" }> & { readonly result: StoredResponse | null });

export type Applied =
  | { readonly kind: "applied"; readonly record: ProcessRecord; readonly from: ProcessRecord }
  | { readonly kind: "same"; readonly record: ProcessRecord }
  | {
      readonly kind: "refused";
      readonly slug: Extract<Transition, { kind: "refuse" }>["slug"];
      readonly record: ProcessRecord;
    }
  | { readonly kind: "not-due"; readonly record: ProcessRecord }
  /** No record stands under that id any more. */
  | { readonly kind: "gone" };

export interface RerunOptions {
  readonly cancelRunning: boolean;
  /**
   * `here` (default): this node owns the new process and runs it. `by-alarm`: nobody does yet and its alarm rings at
   * once, so a sweeper sends it; for callers that cannot send (admin, command line) or may be gone before it ends.
   */
  readonly dispatch?: "here" | "by-alarm";
  /** Only if base is still the last process of its scope: two redrives side by side must not run it twice. */
  readonly onlyIfLast?: boolean;
  /** Names this call: while the process that it made is the scope's last one, asking again makes no other. */
  readonly key?: string | null;
  /** As in BeginRequest; default 0. */
  readonly pausedMs?: number;
}

export interface Processes {
  readonly store: ProcessStore;
  /** Resolves when what was written is safe by the profile's measure; null: every write is, once it is answered. */
  readonly confirm: (() => Promise<void>) | null;
  /** @throws StoreUnavailable */
  begin(request: BeginRequest): Promise<Begun>;
  /** @throws StoreUnavailable */
  apply(base: ProcessRecord, event: ProcessEvent, options?: { ifDue?: boolean }): Promise<Applied>;
  /** Runs a process's request anew as the next process of its scope. @throws StoreUnavailable */
  rerun(
    base: ProcessRecord,
    options: RerunOptions,
  ): Promise<
    /** With the request that is to be sent, so that nothing stands between the record and its execution. */
    | (Started & { readonly request: StoredRequest })
    | { verdict: "running"; record: ProcessRecord }
    /** This very call has made `record` before. */
    | { verdict: "repeat"; record: ProcessRecord }
    /** The scope has run again since; record: its last process. */
    | { verdict: "superseded"; record: ProcessRecord }
    | { verdict: "no-request" }
  >;
  /** epoch null: whatever process the scope has now. @throws StoreUnavailable */
  read(
    ref: Omit<ProcessRef, "epoch"> & { readonly epoch: Fence | null },
    options: { withResult: boolean },
  ): Promise<Snapshot>;
  /** Hands out what is due and hides it for hideMs. @throws StoreUnavailable */
  claimDue(options: { readonly limit: number; readonly hideMs: number }): Promise<readonly ProcessRecord[]>;
  /** The store's clock as far as this node knows it, epoch ms. */
  now(): EpochMs;
  /** When the write that made this very record was sent, monotonic ms; null: it is not the answer to a write of ours. */
  writtenAt(record: ProcessRecord): MonotonicMs | null;
}

/** A hot scope can lose this many races before we say that the store is unavailable. */
const maxRaces = 50;
const usualDeadLetterMs = 30 * 24 * 3_600_000;

export function createProcesses(deps: ProcessesDeps): Processes {
  const { store, node, rulesOf, random, newId, onTransition, confirm } = deps;
  const { monotonic } = deps.clock;
  const deadLetterMs = deps.deadLetterMs ?? usualDeadLetterMs;
  let seenNow = 0;
  let seenAt = 0;

  function see<T extends { now: number }>(answer: T): T {
    seenNow = answer.now;
    seenAt = monotonic();
    return answer;
  }
  /** A lease counts from here: a node that slept until the answer came must not take it for a fresh one. */
  const sentAts = new WeakMap<ProcessRecord, MonotonicMs>();
  async function write<T extends CreateAnswer | CommitAnswer>(work: () => Promise<T>): Promise<T> {
    const sentAt = monotonic();
    const answer = see(await work());
    if (answer.kind === "created" || answer.kind === "committed") sentAts.set(answer.record, sentAt);
    return answer;
  }
  function now(): EpochMs {
    return asEpochMs(seenNow + (monotonic() - seenAt));
  }
  function circumstances(record: ProcessRecord): Circumstances {
    return { ...rulesOf(record), now: now(), random: random(), deadLetterMs };
  }

  async function begin(request: BeginRequest): Promise<Begun> {
    const draft = birth(request, node, newId(), confirm !== null, null);
    let answer = await write(() => store.create(draft, { withResult: !request.claim.force }));
    for (let race = 0; race < maxRaces; race += 1) {
      if (answer.kind === "late") throw new StoreUnavailable("create arrived after its time limit");
      if (answer.kind === "created") return started(answer.record, null);
      const verdict = verdictOf(answer.record, request.claim, request.rules.policy, answer.now);
      if (verdict.verdict !== "start") return { ...verdict, result: answer.result };
      const base = answer.record;
      const next = await replace(base, birth(request, node, newId(), confirm !== null, base));
      if (next !== null) return started(next, base);
      answer = await write(() =>
        store.create({ ...draft, writeId: newId() }, { withResult: !request.claim.force }),
      );
    }
    throw new StoreUnavailable("the scope changed too often to decide");
  }

  /** Returns the new process, or null when somebody else changed the scope first. */
  async function replace(base: ProcessRecord, draft: Draft): Promise<ProcessRecord | null> {
    const answer = await write(() => store.supersede(base, supersede(base, circumstances(base)), draft));
    if (answer.kind !== "committed") return null;
    if (!isTerminal(base.status)) onTransition(base, { ...base, status: "cancelled" }, "superseded");
    return answer.record;
  }

  /** The gate of the stronger profiles: nothing is sent before the claim is confirmed. */
  async function started(record: ProcessRecord, superseded: ProcessRecord | null): Promise<Started> {
    onTransition(null, record, "created");
    if (confirm === null) return { verdict: "start", record, superseded };
    try {
      await confirm();
    } catch (error) {
      // Nothing was sent: the identity is free again now, not at the end of the lease (P8).
      await apply(record, { type: "lease-ended" });
      throw error;
    }
    if (record.nextAttemptAt !== null) return { verdict: "start", record, superseded };
    const sent = await apply(record, { type: "dispatched", owner: node });
    if (sent.kind === "gone") throw new StoreUnavailable("the claim was lost before its dispatch");
    return { verdict: "start", record: sent.record, superseded };
  }

  async function apply(
    base: ProcessRecord,
    event: ProcessEvent,
    options: { ifDue?: boolean } = {},
  ): Promise<Applied> {
    let record = base;
    for (let race = 0; race < maxRaces; race += 1) {
      const decided = transition(record, event, circumstances(record));
      if (decided.kind === "same") return { kind: "same", record };
      if (decided.kind === "refuse") {
        if (decided.slug === "execution-stale" || event.type === "responded" || event.type === "accepted") {
          deps.onRefused?.(record, event.type);
        }
        // The refusal may rest on an old record only when ours is not the store's last word; refusing is safe: P2, P10.
        return { kind: "refused", slug: decided.slug, record };
      }
      const writeId = newId();
      const answer = await write(() =>
        store.commit(record, decided.change, { ifDue: options.ifDue ?? false, writeId }),
      );
      switch (answer.kind) {
        case "committed":
          onTransition(record, answer.record, decided.change.entry.event);
          return { kind: "applied", record: answer.record, from: record };
        case "not-due":
          return { kind: "not-due", record: answer.record };
        case "stale": {
          const current =
            answer.record !== null && answer.record.epoch === base.epoch
              ? answer.record
              : see(await store.read(base, { withResult: false })).record;
          if (current === null) {
            deps.onRefused?.(record, event.type);
            return { kind: "gone" };
          }
          record = current;
        }
      }
    }
    throw new StoreUnavailable("the process changed too often to decide");
  }

  async function rerun(
    base: ProcessRecord,
    { cancelRunning, dispatch = "here", onlyIfLast = false, key = null, pausedMs = 0 }: RerunOptions,
  ): ReturnType<Processes["rerun"]> {
    const scope = { partition: base.partition, scope: base.scope, epoch: null };
    let request: StoredRequest | null = null;
    for (let race = 0; race < maxRaces; race += 1) {
      const target = see(await store.read(scope, { withResult: false })).record ?? base;
      const isRepeat = key !== null && target.rerunKey === key && target.rerunOf === base.epoch;
      if (isRepeat) return { verdict: "repeat", record: target };
      if (onlyIfLast && target.epoch !== base.epoch) return { verdict: "superseded", record: target };
      if (!isTerminal(target.status) && !cancelRunning) return { verdict: "running", record: target };
      request ??= await store.readRequest(base);
      if (request === null) return { verdict: "no-request" };
      const draft = rerunDraft(base, request, { key, pausedMs });
      const next = await replace(target, dispatch === "here" ? draft : byAlarm(draft));
      if (next === null) continue; // somebody else was faster: perhaps this very call
      if (dispatch === "here") return { ...(await started(next, target)), request };
      onTransition(null, next, "created");
      if (confirm !== null) await confirm();
      return { verdict: "start", record: next, superseded: target, request };
    }
    throw new StoreUnavailable("the scope changed too often to decide");
  }

  function rerunDraft(
    base: ProcessRecord,
    request: StoredRequest,
    { key, pausedMs }: { readonly key: string | null; readonly pausedMs: number },
  ): Draft {
    const rules = rulesOf(base);
    const draft = birth(
      {
        scope: base.scope,
        partition: base.partition,
        principal: base.principal,
        service: base.service,
        route: base.route,
        operation: base.operation,
        rules,
        claim: {
          fingerprint: base.fingerprint,
          credential: base.credential,
          force: true,
          onDuplicate: "replace",
        },
        deadlineMs: null,
        notify: base.notify,
        traceparent: base.traceparent,
        mirror: base.mirror !== null,
        pausedMs,
        request,
      },
      node,
      newId(),
      confirm !== null,
      base,
    );
    return { ...draft, fields: { ...draft.fields, rerunKey: key } };
  }

  return {
    store,
    confirm,
    begin,
    apply,
    rerun,
    now,
    writtenAt: (record) => sentAts.get(record) ?? null,
    async read(ref, options) {
      return see(await store.read(ref, options));
    },
    async claimDue(options) {
      return see(await store.claimDue(options)).due;
    },
  };
}
