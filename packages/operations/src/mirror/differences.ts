/** Differences between the primary and the secondary: list, group, export, show, acknowledge. */
import type { Page } from "@sticky-proxy/core/process";
import type { Difference, DifferenceGroup, DifferenceQuery } from "@sticky-proxy/core/mirror";
import { sinceOf, type MirrorPorts } from "./ports.ts";

type Ports = Pick<MirrorPorts, "differences" | "clock">;

export interface DifferenceFilter extends Omit<DifferenceQuery, "since" | "limit" | "cursor"> {
  /** Only those found at most this long ago; null: all that are kept. */
  readonly sinceMs: number | null;
}

/** Newest first; `cursor` null: the first page. @throws StoreUnavailable */
export function listDifferences(
  ports: Ports,
  { sinceMs, ...filter }: DifferenceFilter,
  { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
): Promise<Page<Difference>> {
  return ports.differences.list({ ...filter, since: sinceOf(ports, sinceMs), limit, cursor });
}

const exportPageSize = 200;

/** All that match, newest first, read page by page, so that a long list needs no memory. @throws StoreUnavailable */
export async function* exportDifferences(
  ports: Ports,
  { sinceMs, ...filter }: DifferenceFilter,
): AsyncGenerator<Difference, void> {
  // One time for all pages: the bound must not move while the export runs.
  const since = sinceOf(ports, sinceMs);
  let cursor: string | null = null;
  do {
    const page: Page<Difference> = await ports.differences.list({
      ...filter,
      since,
      limit: exportPageSize,
      cursor,
    });
    yield* page.items;
    cursor = page.next;
  } while (cursor !== null);
}

/** Counts by service, route, class and place, most frequent first. @throws StoreUnavailable */
export function groupDifferences(
  ports: Ports,
  { sinceMs }: { readonly sinceMs: number | null },
): Promise<readonly DifferenceGroup[]> {
  return ports.differences.groups({ since: sinceOf(ports, sinceMs) });
}

/** null: there is no such difference. @throws StoreUnavailable */
export function showDifference(
  { differences }: Pick<Ports, "differences">,
  id: string,
): Promise<Difference | null> {
  return differences.show(id);
}

/** The difference as it is now, with the first acknowledgement; null: there is none. @throws StoreUnavailable */
export function acknowledgeDifference(
  { differences }: Pick<Ports, "differences">,
  id: string,
  { by, note }: { readonly by: string; readonly note: string },
): Promise<Difference | null> {
  return differences.acknowledge(id, by, note);
}
