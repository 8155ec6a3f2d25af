/**
 * Loaded ahead of a measured program (`node --import`): answers questions on the channel to its parent, so that the
 * program needs no door for benchmarks.
 */
import process from "node:process";

/** Of the whole process, all threads: microseconds, and bytes after a collection. */
export interface Meter {
  readonly cpuMicros: number;
  readonly heapBytes: number;
  /** Of Buffers, and of what C++ holds for JavaScript. */
  readonly externalBytes: number;
  readonly residentBytes: number;
}

export type Question = "cpu" | "memory";

process.on("message", (question: Question) => {
  if (question === "memory") {
    globalThis.gc?.();
    globalThis.gc?.(); // what the first one found unreachable by a finalizer
  }
  const { user, system } = process.cpuUsage();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send?.({
    cpuMicros: user + system,
    heapBytes: heapUsed,
    externalBytes: external,
    residentBytes: rss,
  } satisfies Meter);
});
process.channel?.unref();
