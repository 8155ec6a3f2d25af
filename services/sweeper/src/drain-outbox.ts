/**
 * Drains the mirror's outbox: leads groups of partitions (redlock), claims each partition (its fence makes a former
 * owner's writes fail), and runs the drains. Two leaders at once are safe, only wasteful.
 */
import { StoreUnavailable } from "@sticky-proxy/core/process";
import type { OutboxEntry } from "@sticky-proxy/core/mirror";
import type { Locks } from "@sticky-proxy/store";
import { type PartitionDrain, type PartitionDrainDeps, createPartitionDrain } from "@sticky-proxy/mirror";

export interface OutboxDrainDeps extends Omit<PartitionDrainDeps, "signal"> {
  readonly locks: Pick<Locks, "lead">;
  /** Resolves after ms or when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly tickMs: number;
  /** Grace time of running sends at a stop; then they are aborted, and their entries stay. */
  readonly graceMs: number;
  /** Whether another sweeper runs another configuration: it may know what this one does not. */
  readonly othersMayKnow: () => boolean;
}

export interface OutboxDrain {
  /** Claims no more partitions, ends the running sends (aborted after the grace time) and releases the leadership. */
  stop(): Promise<void>;
  /** Partitions this node owns. */
  readonly owned: number;
  /** true on at most one node of the cluster: it exports the cluster-wide metrics. */
  readonly leadsFirst: boolean;
}

/** One lock per group of partitions: few locks to renew, and work for several sweepers. */
export const leadershipGroups = 8;
const leadershipTtlMs = 6000;
const tidyEveryMs = 60_000;
/** A group with copies that this node does not know is led for so long, then left to other sweepers for so long. */
const leadMs = 2000;
const leaveMs = 8000;

export function startOutboxDrain(deps: OutboxDrainDeps): OutboxDrain {
  const stopping = new AbortController();
  const owned = new Set<PartitionDrain>();
  const { partitions } = deps.outbox;
  let leadsFirst = false;
  const groupCount = Math.min(leadershipGroups, partitions);
  const groups = Array.from({ length: groupCount }, (_, group) =>
    deps.locks.lead(`mirror-${group}`, leadershipTtlMs, stopping.signal, (signal) => lead(group, signal)),
  );

  /** Until when a group is left to others, monotonic ms: it holds copies that this node does not know. */
  const leftUntil = new Map<number, number>();

  /** Until the leadership ends or the partitions are somebody else's. */
  async function lead(group: number, signal: AbortSignal): Promise<void> {
    const mine: number[] = [];
    for (let p = group; p < partitions; p += groupCount) mine.push(p);
    if (deps.clock.monotonic() < (leftUntil.get(group) ?? 0) && deps.othersMayKnow()) return;
    let isUnknown = false;
    const onUnknown = (entry: OutboxEntry): void => {
      isUnknown = true;
      deps.onUnknown?.(entry);
    };
    const ledFrom = deps.clock.monotonic();
    const cut = new AbortController();
    const drains = new Map<number, PartitionDrain>();
    let tidiedAt = deps.clock.monotonic();
    try {
      for (const partition of mine) {
        const owner = await deps.outbox.claim(partition);
        const drain = createPartitionDrain({ ...deps, onUnknown, signal: cut.signal }, partition, owner);
        drains.set(partition, drain);
        owned.add(drain);
      }
      if (group === 0) leadsFirst = true;
      while (!signal.aborted) {
        await Promise.all([...drains.values()].map((drain) => drain.tick()));
        if ([...drains.values()].some((drain) => drain.isLost)) return;
        // What else is there had its time meanwhile.
        if (isUnknown && deps.clock.monotonic() - ledFrom > leadMs && deps.othersMayKnow()) {
          leftUntil.set(group, deps.clock.monotonic() + leaveMs);
          return;
        }
        if (deps.clock.monotonic() - tidiedAt > tidyEveryMs) {
          tidiedAt = deps.clock.monotonic();
          await Promise.all(mine.map((partition) => deps.outbox.tidy(partition)));
        }
        await deps.sleep(deps.tickMs * (0.8 + 0.4 * deps.random()), signal);
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      deps.onTrouble(error);
    } finally {
      if (group === 0) leadsFirst = false;
      await finish([...drains.values()], cut);
      for (const drain of drains.values()) owned.delete(drain);
    }
  }

  /** Waits for running sends up to the grace time, then aborts them. */
  async function finish(drains: readonly PartitionDrain[], cut: AbortController): Promise<void> {
    for (const drain of drains) drain.stop();
    const done = new AbortController();
    const idle = Promise.all(drains.map((drain) => drain.idle())).then(() => done.abort());
    void deps.sleep(deps.graceMs, done.signal).then(() => cut.abort());
    await idle;
    cut.abort();
  }

  return {
    get owned() {
      return owned.size;
    },
    get leadsFirst() {
      return leadsFirst;
    },
    async stop() {
      stopping.abort();
      await Promise.all(groups);
    },
  };
}
