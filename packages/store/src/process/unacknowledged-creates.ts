/**
 * Creates that got no answer. Such a process was never sent, but its record may stand or still come to stand (a stopped
 * Redis runs what it received once it goes on). They are remembered, and as soon as Redis answers each one that took
 * effect is released as never sent; one that did not take effect by its time limit never will.
 */
import type { Scope, Clock } from "@sticky-proxy/protocol";
import type { Change, ProcessRecord, Snapshot } from "@sticky-proxy/core/process";

export interface UnacknowledgedCreate {
  readonly partition: number;
  readonly scope: Scope;
  readonly writeId: string;
  /** ms of the server's clock after which the write refuses itself. */
  readonly validUntil: number;
}

export interface UnacknowledgedCreates {
  remember(create: UnacknowledgedCreate): void;
  /** Redis has answered something: look after what is remembered, soon but not at every answer. */
  answered(): void;
  /** Looks after it now; resolves when the round has ended. */
  settle(): Promise<void>;
  readonly size: number;
}

/** Beyond this the oldest is left to its lease. */
const maxRemembered = 10_000;
const roundPauseMs = 100;

export function createUnacknowledgedCreates(io: {
  readonly read: (create: UnacknowledgedCreate) => Promise<Snapshot>;
  readonly commit: (base: ProcessRecord, change: Change) => Promise<unknown>;
  readonly clock: Pick<Clock, "monotonic">;
}): UnacknowledgedCreates {
  const remembered = new Map<string, UnacknowledgedCreate>();
  let round: Promise<void> | null = null;
  let roundEndedAt = -Infinity;

  async function settleOne(create: UnacknowledgedCreate): Promise<void> {
    const { now, record } = await io.read(create);
    const isOurs = record !== null && record.lastWrite === create.writeId && record.version === 1;
    if (isOurs) await io.commit(record, neverSent);
    // Nothing of it yet, but the write may wait in a socket that the server has not read to its end.
    else if (now <= create.validUntil) return;
    remembered.delete(create.writeId);
  }
  async function settleAll(): Promise<void> {
    try {
      for (const create of remembered.values()) await settleOne(create);
    } catch {
      // Redis is away again; the next answer starts another round
    }
  }
  /** One round at a time. It is over in a later turn, even when there is nothing to do: `round` is set by then. */
  function begin(): Promise<void> {
    round ??= settleAll().then(() => {
      round = null;
      roundEndedAt = io.clock.monotonic();
    });
    return round;
  }
  return {
    remember(create) {
      remembered.set(create.writeId, create);
      if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value!);
    },
    answered() {
      if (remembered.size === 0 || round !== null || io.clock.monotonic() - roundEndedAt < roundPauseMs)
        return;
      void begin();
    },
    settle: begin,
    get size() {
      return remembered.size;
    },
  };
}

const tombstoneMs = 60_000;

/** Failed, not executed, identity free: whoever joined it meanwhile is told the truth. */
const neverSent: Change = {
  set: {
    status: "failed",
    phase: null,
    owner: null,
    executed: "no",
    problem: "store-unavailable",
    released: true,
    requestPayload: null,
    mirror: null,
  },
  spans: {
    endedAt: 0,
    nextAttemptAt: null,
    expireAt: tombstoneMs,
    wakeAt: tombstoneMs,
    keepUntil: 2 * tombstoneMs + 3_600_000,
  },
  mintFence: false,
  result: null,
  drop: ["request"],
  entry: { event: "never-sent" },
};
