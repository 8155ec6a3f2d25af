/** Processes in Redis: each method of the port is one operation's file, put together here. */
import { asMonotonicMs, type Clock } from "@sticky-proxy/protocol";
import type { ProcessStore } from "@sticky-proxy/core/process";
import type { Incarnation } from "../cluster/incarnation.ts";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { newCall } from "../redis/scripts.ts";
import { type Sealing, unsealed } from "../sealing/sealing.ts";
import { createClaimDue } from "./claim-due.ts";
import { createClaims } from "./claims.ts";
import { commitChange } from "./commit.ts";
import type { ProcessIo } from "./io.ts";
import { createJobs } from "./jobs.ts";
import { createLists, createServiceNames } from "./lists.ts";
import { purgeProcess } from "./purge.ts";
import { readProcess } from "./read.ts";
import { renewLeases } from "./renew.ts";
import { readRequest } from "./request.ts";
import { ringAgain } from "./ring-again.ts";
import { createScriptSession } from "./script-session.ts";
import { processScripts } from "./scripts.ts";
import { sharedReads } from "./shared-reads.ts";
import type { StoredBudget } from "./stored-budget.ts";
import { supersedeProcess } from "./supersede.ts";
import { createTimeline } from "./timeline.ts";

export interface ProcessStoreOptions {
  readonly redis: RedisConnections;
  readonly keys: Keys;
  /** Absent: payloads are written as they are. */
  readonly sealing?: Sealing;
  /** From `openMeta`. */
  readonly partitions: number;
  /** Lines kept of a process's timeline; default 100. */
  readonly timelineLength?: number;
  /** After a jump of the server's clock nothing is taken over for this long; default 30 000. */
  readonly maxLeaseMs?: number;
  /** Default: performance.now. */
  readonly clock?: Pick<Clock, "monotonic">;
  /** Absent: claims never pause. */
  readonly incarnation?: Pick<Incarnation, "sawFence" | "mayClaim">;
  /** true: memory runs short, so nothing new is claimed; what has a record goes on. Absent: never. */
  readonly sheds?: () => boolean;
  /** Absent: a holder may store whatever the server takes. */
  readonly budget?: StoredBudget;
}

export interface RedisProcessStore extends ProcessStore {
  /** How many creates got no answer and are not settled yet. */
  readonly unacknowledgedCreates: number;
  /** Settles them now as far as Redis answers; resolves when this round has ended. */
  settleUnacknowledgedCreates(): Promise<void>;
}

export function createProcessStore(options: ProcessStoreOptions): RedisProcessStore {
  const { redis, keys, partitions, incarnation, sealing = unsealed } = options;
  const session = createScriptSession({
    redis,
    scripts: Object.values(processScripts),
    clock: options.clock ?? { monotonic: () => asMonotonicMs(performance.now()) },
    read: (create) => io.read({ ...create, epoch: null }, { withResult: false }),
    commit: (base, change) => commitChange(io, base, change, { ifDue: false, writeId: newCall() }),
  });
  const { run, start, repeatOnce } = session;
  const io: ProcessIo = {
    redis,
    keys,
    sealing,
    partitions,
    timelineLength: options.timelineLength ?? 100,
    run,
    start,
    repeatOnce,
    read: sharedReads(readProcess({ redis, keys, run, sealing })),
    sawFence: (partition, fence) => incarnation?.sawFence(partition, fence),
  };
  const noteService = createServiceNames(redis, keys);
  return {
    partitions,
    create: createClaims(io, options, noteService),
    read: io.read,
    commit: (base, change, how) => commitChange(io, base, change, how),
    async supersede(base, closing, draft) {
      noteService(draft.fields.service ?? "");
      const why = options.budget === undefined ? null : await options.budget.mayStore(draft);
      if (why !== null) throw why;
      return supersedeProcess(io, base, closing, draft);
    },
    renew: (leases) => renewLeases(io, leases),
    purge: (base) => purgeProcess(io, base),
    ringAgain: (base, inMs) => ringAgain(io, base, inMs),
    claimDue: createClaimDue(io, session.clock, options.maxLeaseMs ?? 30_000),
    ...createTimeline(io),
    ...createLists(io),
    ...createJobs(io),
    readRequest: readRequest(io),
    get unacknowledgedCreates() {
      return session.unacknowledgedCreates.size;
    },
    settleUnacknowledgedCreates: () => session.unacknowledgedCreates.settle(),
  };
}
