import { partitionOf } from "@sticky-proxy/core/idempotency";
import type { ProcessRef } from "@sticky-proxy/core/process";
import { parseProcessId } from "@sticky-proxy/protocol";

/** null: not a process id, or not one of a store with that many partitions. */
export function parseProcessRef(id: string, partitions: number): ProcessRef | null {
  const ref = parseProcessId(id);
  return ref === null || partitionOf(ref.scope, partitions) !== ref.partition ? null : ref;
}
