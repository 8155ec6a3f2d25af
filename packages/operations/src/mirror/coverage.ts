import type { CoverageRow } from "@sticky-proxy/core/mirror";
import { sinceOf, type MirrorPorts } from "./ports.ts";

/**
 * How much was compared, by service and route: a list of differences says nothing without it.
 * @param query.sinceMs null: all that is kept; `service` null: all
 * @throws StoreUnavailable
 */
export function mirrorCoverage(
  ports: Pick<MirrorPorts, "differences" | "clock">,
  { sinceMs, service }: { readonly sinceMs: number | null; readonly service: string | null },
): Promise<readonly CoverageRow[]> {
  return ports.differences.coverage({ since: sinceOf(ports, sinceMs), service });
}
