/**
 * A node's view of the process store: its collaborators, the store's time by its last answer, and when each write that
 * counted was sent.
 */
import { asEpochMs, type Clock, type EpochMs, type MonotonicMs } from "@sticky-proxy/protocol";
import type {
  Circumstances,
  CommitAnswer,
  CreateAnswer,
  ProcessEvent,
  ProcessRecord,
  ProcessStore,
  Rules,
  RulesRef,
} from "@sticky-proxy/core/process";
import type { PinnedRuleBook } from "./pinned-rules.ts";

/**
 * Resolves when the record, as it is given, is as durable as the profile promises.
 * @throws RecordDiffers when it does not stand so any more; StoreUnavailable when nobody could say so in time
 */
export type Confirm = (record: ProcessRecord) => Promise<void>;

export interface ProcessesDeps {
  readonly store: ProcessStore;
  /** This node's name, unique among live nodes; the owner of what it dispatches. */
  readonly node: string;
  readonly rulesOf: (record: RulesRef) => Rules;
  /** Absent: nothing is pinned, every rule is `rulesOf`'s. */
  readonly pins?: Pick<PinnedRuleBook, "learn" | "stand" | "rulesAnew">;
  /** In [0, 1). */
  readonly random: () => number;
  readonly newId: () => string;
  readonly clock: Pick<Clock, "monotonic">;
  /** Called for every committed transition; `from` null: created. */
  readonly onTransition: (from: ProcessRecord | null, to: ProcessRecord, event: string) => void;
  /** Called when the outcome of a former owner or a late report is refused because a later write counted (P2, P10). */
  readonly onRefused?: (record: ProcessRecord, event: ProcessEvent["type"]) => void;
  /** How long dead letters stay to be redriven; default 30 days. */
  readonly deadLetterMs?: number;
  /** Set when the profile wants a write confirmed by others before anything is sent. */
  readonly confirm: Confirm | null;
}

/** Largest number of lost races of one call; above it the store counts as unavailable. */
export const maxRaces = 50;
const usualDeadLetterMs = 30 * 24 * 3_600_000;

export class StoreView {
  readonly deps: ProcessesDeps;
  #seenNow = 0;
  #seenAt = 0;
  /** When the write was sent: a lease counts from here, because the node may have stalled until the reply. */
  readonly #sentAts = new WeakMap<ProcessRecord, MonotonicMs>();
  readonly #confirmed = new WeakSet<ProcessRecord>();

  constructor(deps: ProcessesDeps) {
    this.deps = deps;
  }

  /** Reads the store's time from a reply, and returns the reply. */
  see<T extends { now: number }>(answer: T): T {
    this.#seenNow = answer.now;
    this.#seenAt = this.deps.clock.monotonic();
    return answer;
  }

  async write<T extends CreateAnswer | CommitAnswer>(work: () => Promise<T>): Promise<T> {
    const sentAt = this.deps.clock.monotonic();
    const answer = this.see(await work());
    if (answer.kind === "created" || answer.kind === "committed") this.#sentAts.set(answer.record, sentAt);
    return answer;
  }

  /** The store's clock as far as this node knows it, epoch ms. */
  now(): EpochMs {
    return asEpochMs(this.#seenNow + (this.deps.clock.monotonic() - this.#seenAt));
  }

  writtenAt(record: ProcessRecord): MonotonicMs | null {
    return this.#sentAts.get(record) ?? null;
  }

  /** At once where the profile wants none, or it has been confirmed already. @throws as Confirm */
  async confirm(record: ProcessRecord): Promise<void> {
    const { confirm } = this.deps;
    if (confirm === null || this.#confirmed.has(record)) return;
    await confirm(record);
    this.#confirmed.add(record);
  }

  circumstances(record: ProcessRecord): Circumstances {
    const { rulesOf, random, confirm, deadLetterMs = usualDeadLetterMs } = this.deps;
    const mayForget = confirm !== null;
    return { ...rulesOf(record), now: this.now(), random: random(), deadLetterMs, mayForget };
  }
}
