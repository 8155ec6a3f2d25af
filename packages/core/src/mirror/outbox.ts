/**
 * The port to the durable outbox. One partition holds everything of an order key: its intents, its state, its
 * differences and its counters, so that each step is one atomic write.
 *
 * O1  An intent is counted eligible in the write that appends it, and settled once, in the write that keeps its
 *     outcome and its difference record: the coverage sum holds at every instant.
 * O2  An intent leaves the outbox only by `ack`, and only when it was settled.
 * O3  `settle`, `ack` and `park` carry the owner's fence and are refused once another owner has claimed the partition.
 * O4  Intents of a key stay in order. While a key is parked its intents stand in a list of its own: the owner moves
 *     them there in stream order, and takes none from the stream before the list is empty.
 */
import type { CoverageOutcome, SkipReason } from "./coverage.ts";
import type { NewDifference } from "./difference.ts";
import type { Intent } from "./intent.ts";

export interface OutboxEntry extends Intent {
  /** Unique in the partition. */
  readonly entryId: string;
  /** Epoch ms of the store's clock when it was appended. */
  readonly at: number;
}

/**
 * Why a key stands aside. `waiting`: for the primary or for room at the secondary; `stopped`: for an operator;
 * `id-unmapped`: its first copy names a thing by an id that means another thing, or nothing, at the secondary.
 */
export type ParkReason = "no-answer" | "try-later" | "waiting" | "stopped" | "id-unmapped";

export interface ParkedKey {
  readonly partition: number;
  readonly orderKey: string;
  readonly service: string;
  readonly reason: ParkReason;
  readonly parkedAt: number;
  /** null: not before somebody unparks it. */
  readonly nextAt: number | null;
  /** Sends of its first intent so far. */
  readonly attempts: number;
  readonly entries: number;
  readonly error: string;
  /** From when the first intent's age counts, when an operator gave it a new start; null: since it was made. */
  readonly ageFrom: number | null;
  /** An operator has dropped its first intent, which the owner of the partition then settles; null: nobody has. */
  readonly skip: Skip | null;
}

export interface Skip {
  /** What was dropped: the word holds for no other entry. */
  readonly entryId: string;
  readonly by: string;
  readonly why: string;
}

export interface ParkedHead {
  readonly key: ParkedKey;
  readonly head: OutboxEntry | null;
  /** The one behind it. */
  readonly next: OutboxEntry | null;
}

export interface KeyState {
  /** Intents of the key that are not done. */
  readonly pending: number;
  /** None of them was made before this, epoch ms of the store's clock; null: there is none. */
  readonly pendingFrom: number | null;
  readonly parked: boolean;
  /** The two sides are unlike, or nobody knows. */
  readonly diverged: boolean;
  /** When the latest call of the key that was dealt with had ended at the primary; null: none known. */
  readonly lastEndedAt: number | null;
}

export interface Lag {
  readonly entries: number;
  readonly bytes: number;
  readonly parkedKeys: number;
  /** Age of the oldest intent; null: none. */
  readonly oldestMs: number | null;
}

export interface Gap {
  readonly service: string;
  readonly route: string;
  /** `primary-unknown`: listed, and counted with its own entry: nobody knows whether the primary ran it. */
  readonly reason: Extract<
    SkipReason,
    "gap" | "lag" | "store-away" | "memory" | "body-too-large" | "primary-unknown"
  >;
  /** Executions between the two times (epoch ms) that were not mirrored. */
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/** `lost`: somebody else owns the partition now. */
export type Owned<T extends string> = T | "lost";

export interface Peek {
  /** The store's clock. */
  readonly now: number;
  readonly entries: readonly OutboxEntry[];
  /** Order keys whose parked list is due. */
  readonly due: readonly string[];
}

export interface Settlement {
  readonly outcome: CoverageOutcome;
  readonly difference: NewDifference | null;
  readonly diverged: boolean;
  /** When the call ended at the primary; null: not known. */
  readonly endedAt: number | null;
  readonly limits: DifferenceLimits;
}

export interface DifferenceLimits {
  readonly ttlMs: number;
  /** Records kept per partition; the oldest give way. */
  readonly maxDifferences: number;
}

export interface Parking {
  readonly service: string;
  readonly reason: ParkReason;
  /** null: until unparked. */
  readonly inMs: number | null;
  readonly error: string;
  readonly attempts: number;
}

export interface Outbox {
  readonly partitions: number;

  /**
   * @param validUntil epoch ms of the store's clock after which the write refuses itself ("late"), so that one that
   * was given up as a gap is not in the outbox as well; null: always valid.
   * @throws StoreUnavailable
   */
  append(intent: Intent, options: { readonly validUntil: number | null }): Promise<"appended" | "late">;

  /** Lists a gap; `counted` of its executions have no intent of their own and are eligible and skipped at once. */
  noteGap(gap: Gap, counted: number): Promise<void>;
  /** Newest first. */
  gaps(query: { readonly limit: number }): Promise<readonly Gap[]>;

  /** Makes the caller the owner: every earlier owner's writes are refused from here on. */
  claim(partition: number): Promise<number>;
  /** Entries of the stream behind `after` (null: from the oldest) in order, and due keys. */
  peek(partition: number, options: { readonly after: string | null; readonly limit: number }): Promise<Peek>;
  /** null: the key is not parked. */
  parkedHead(partition: number, orderKey: string): Promise<ParkedHead | null>;
  keyState(partition: number, orderKey: string): Promise<KeyState>;
  /** The outcome an entry was settled with; null: it was not. */
  settledAs(partition: number, entryId: string): Promise<CoverageOutcome | null>;

  /** `known`: it had been settled before, and that stands. */
  settle(
    partition: number,
    owner: number,
    entry: OutboxEntry,
    settlement: Settlement,
  ): Promise<Owned<"settled" | "known">>;
  /** The key's list, once empty, is gone and the key not parked any more. */
  ack(partition: number, owner: number, entry: OutboxEntry): Promise<Owned<"acked" | "unsettled">>;
  /**
   * Moves these entries of one key (in order) to the key's list and sets the list's next try; null: they join the
   * list of a key that is parked already.
   */
  park(
    partition: number,
    owner: number,
    orderKey: string,
    entries: readonly OutboxEntry[],
    parking: Parking | null,
  ): Promise<Owned<"parked">>;

  /** An operator's word: the key's first intent is due now and counts as fresh. */
  unpark(partition: number, orderKey: string): Promise<"unparked" | "not-parked">;
  /** An operator's word: the key's first intent is dropped as soon as the partition's owner comes to it. */
  skip(
    partition: number,
    orderKey: string,
    word: { readonly by: string; readonly why: string },
  ): Promise<"skipped" | "not-parked">;
  parkedKeys(query: { readonly limit: number }): Promise<readonly ParkedKey[]>;
  /** Per primary service, over all partitions. */
  lag(): Promise<ReadonlyMap<string, Lag>>;
  /** Drops difference records past their time. */
  tidy(partition: number): Promise<void>;
}
