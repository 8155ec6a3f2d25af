/** What every operation of the mirror's store works with. */
import { orderKeyPartition } from "@sticky-proxy/core/mirror";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import type { Keys } from "../keys.ts";
import type { Connection } from "../redis/redis.ts";
import type { MirrorKeys } from "./keys.ts";
import type { Sealing } from "../sealing/sealing.ts";

export interface MirrorStoreDeps {
  readonly writes: Connection;
  readonly reads: Connection;
  readonly keys: Keys;
  readonly partitions: number;
}

/** Of those that write what services answered. */
export interface SealedStoreDeps extends MirrorStoreDeps {
  readonly sealing: Sealing;
}

export interface MirrorIo extends Omit<MirrorStoreDeps, "keys"> {
  readonly keys: MirrorKeys;
}

/** How long hourly sums are kept, and a diverged key is remembered. */
export const mirrorKeepMs = 8 * 86_400_000;

/** Every failure of the client means: no answer, or a refusal by the server. @throws StoreUnavailable */
export async function asStore<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new StoreUnavailable("mirror store", { cause: error });
  }
}

export function allPartitions(partitions: number): number[] {
  return Array.from({ length: partitions }, (_, p) => p);
}

/** What belongs to a service and to no order key stands where its name leads. */
export function servicePartition(service: string, partitions: number): number {
  return orderKeyPartition(Buffer.from(service.padEnd(4)).toString("base64url"), partitions);
}

/** Fences are above 1e14: never in exponent form. */
export function fenceText(owner: number): string {
  return owner.toFixed(0);
}
