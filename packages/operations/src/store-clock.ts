import { asScope, type EpochMs } from "@sticky-proxy/protocol";
import type { Processes } from "@sticky-proxy/engine";

/** The store's clock. Every read brings it; this one reads nothing else. @throws StoreUnavailable */
export async function storeNow(processes: Pick<Processes, "read">): Promise<EpochMs> {
  const none = { partition: 0, scope: asScope("none"), epoch: null };
  return (await processes.read(none, { withResult: false })).now;
}
