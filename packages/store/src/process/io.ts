/** What every operation of the process store works with. */
import type { ProcessStore } from "@sticky-proxy/core/process";
import type { Incarnation } from "../cluster/incarnation.ts";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { unavailable } from "../redis/unavailable.ts";
import type { Sealing } from "../sealing/sealing.ts";
import type { ScriptSession } from "./script-session.ts";

export interface ProcessIo extends Pick<ScriptSession, "run" | "start" | "repeatOnce"> {
  readonly redis: RedisConnections;
  readonly keys: Keys;
  /** Of requests, results and early reports. */
  readonly sealing: Sealing;
  readonly partitions: number;
  /** Lines kept of a process's timeline. */
  readonly timelineLength: number;
  readonly read: ProcessStore["read"];
  /** Takes note of a fence that the store answered with. */
  readonly sawFence: Incarnation["sawFence"];
}

/** @throws StoreUnavailable naming the command, with the client's error as cause */
export async function guarded<T>(command: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw unavailable(command, cause);
  }
}
