/**
 * Writes what this process has counted into the time series: by batch, when a bucket ends, never on the way of a request.
 * The services of one process share one recorder, as they share the metrics: whichever asks first writes.
 */
import { randomBytes } from "node:crypto";
import { bucketStart, rings, type Changes, type SeriesStore } from "@sticky-proxy/core/series";
import type { Metrics } from "../metrics.ts";
import { addChanges, changesSince, readCounted } from "./counted.ts";

export interface SeriesRecorder {
  /** Writes the bucket that has ended since the last call, if any. @throws StoreUnavailable; what was not written is kept. */
  tick(store: Pick<SeriesStore, "add">, now: number): Promise<void>;
  /** Writes what there is of the present bucket: the end of the process. @throws StoreUnavailable */
  finish(store: Pick<SeriesStore, "add">, now: number): Promise<void>;
}

/** Buckets that wait for a store that is away; older ones are added to the oldest of them. */
const maxWaiting = 30;
const { stepMs } = rings[0];

interface Waiting {
  readonly start: number;
  readonly changes: Changes;
}

export function createSeriesRecorder({ registry }: Pick<Metrics, "registry">): SeriesRecorder {
  /** Unlike that of another process, also of the one that runs after this one under the same name. */
  const writer = randomBytes(6).toString("base64url");
  const waiting: Waiting[] = [];
  let counts: Changes = new Map();
  /** Present bucket; null: nobody has asked yet. */
  let present: number | null = null;
  let isFinished = false;
  let writing: Promise<void> | null = null;

  /** What was counted until now belongs to the bucket `start`. */
  async function collect(start: number): Promise<void> {
    const reading = await readCounted(registry);
    waiting.push({ start, changes: changesSince(counts, reading) });
    ({ counts } = reading);
    while (waiting.length > maxWaiting) {
      const [oldest, next] = waiting.splice(0, 2) as [Waiting, Waiting];
      waiting.unshift({ start: next.start, changes: addChanges(oldest.changes, next.changes) });
    }
  }

  async function write(store: Pick<SeriesStore, "add">): Promise<void> {
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      await store.add(writer, first.start, first.changes);
      waiting.shift();
    }
  }

  /** One at a time: a second caller waits for the first, and what it came for is done then. */
  async function alone(work: () => Promise<void>): Promise<void> {
    if (writing !== null) return writing;
    writing = work();
    try {
      await writing;
    } finally {
      writing = null;
    }
  }

  return {
    async tick(store, now) {
      const start = bucketStart(now, stepMs);
      present ??= start;
      // A clock that steps back (another Redis) waits until it is where it was.
      if (isFinished || start <= present) return;
      await alone(async () => {
        const ended = present!;
        present = start;
        await collect(ended);
        await write(store);
      });
    },
    async finish(store, now) {
      await writing?.catch(() => undefined); // what it could not write is written now
      await alone(async () => {
        if (!isFinished) await collect(Math.max(present ?? 0, bucketStart(now, stepMs)));
        isFinished = true;
        await write(store);
      });
    },
  };
}
