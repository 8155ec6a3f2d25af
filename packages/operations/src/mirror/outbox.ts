/** The mirror's outbox: executions that were not copied, and keys that stand aside. */
import { parseParkedKey, type Gap, type ParkedKey } from "@sticky-proxy/core/mirror";
import type { MirrorPorts } from "./ports.ts";

type Ports = Pick<MirrorPorts, "outbox">;

/** Newest first. @throws StoreUnavailable */
export function listGaps({ outbox }: Ports, query: { readonly limit: number }): Promise<readonly Gap[]> {
  return outbox.gaps(query);
}

/** @throws StoreUnavailable */
export function listParkedKeys(
  { outbox }: Ports,
  query: { readonly limit: number },
): Promise<readonly ParkedKey[]> {
  return outbox.parkedKeys(query);
}

/**
 * Makes a parked key due now, with fresh tries.
 * @param name `<partition>.<order key>`, as the view of a parked key names it
 * @throws StoreUnavailable
 */
export async function unparkKey(
  { outbox }: Ports,
  name: string,
): Promise<"unparked" | "not-parked" | "invalid-name"> {
  const key = parseParkedKey(name, outbox.partitions);
  return key === null ? "invalid-name" : outbox.unpark(key.partition, key.orderKey);
}

/**
 * Drops a parked key's first copy: it is settled as skipped, with a difference record that names who and why, and the key
 * goes on behind it.
 * @param name `<partition>.<order key>`, as the view of a parked key names it
 * @throws StoreUnavailable
 */
export async function skipParked(
  { outbox }: Ports,
  name: string,
  word: { readonly by: string; readonly why: string },
): Promise<"skipped" | "not-parked" | "invalid-name"> {
  const key = parseParkedKey(name, outbox.partitions);
  return key === null ? "invalid-name" : outbox.skip(key.partition, key.orderKey, word);
}
