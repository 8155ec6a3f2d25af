/**
 * Lists processes of several services and statuses, page by page, newest first within each list.
 *
 * The store keeps one list per service and status. They are read one after the other, the statuses in the order in
 * which a process goes through them, and the cursor says which list and where in it. So a process that exists all the
 * while is never missed: it can only move to a list that is still to come. It may be seen twice, once in each status
 * that it had; within one list it is seen once.
 */
import type { ProcessRecord, ProcessStore, Status } from "@sticky-proxy/core/process";

/** In the order in which a process goes through them. */
export const statusesInOrder: readonly Status[] = [
  "pending",
  "in-progress",
  "completed",
  "failed",
  "cancelled",
];

export interface ListingQuery {
  readonly services: readonly string[];
  /** Empty: all. */
  readonly statuses: readonly Status[];
  /** Only created at least this long ago; null: all. */
  readonly olderThanMs: number | null;
  readonly limit: number;
  /** From the page before; null: the first page. */
  readonly cursor: string | null;
}

export type ListedProcesses =
  /** May have fewer items than `limit` and still a `next`, when a page of the store had. `next` null: the last page. */
  | { readonly kind: "page"; readonly items: readonly ProcessRecord[]; readonly next: string | null }
  /** The cursor was not made by this query; `reason` is a sentence. */
  | { readonly kind: "invalid-cursor"; readonly reason: string };

/** Reads until the page is full. @throws StoreUnavailable */
export async function listProcesses(
  store: Pick<ProcessStore, "list">,
  query: ListingQuery,
): Promise<ListedProcesses> {
  const statuses = statusesInOrder.filter(
    (status) => query.statuses.length === 0 || query.statuses.includes(status),
  );
  const lists = statuses.flatMap((status) => query.services.map((service) => ({ service, status })));
  const start = query.cursor === null ? { at: 0, cursor: null } : openCursor(query.cursor, lists);
  if ("reason" in start) return { kind: "invalid-cursor", reason: start.reason };
  let { at, cursor } = start;
  const items: ProcessRecord[] = [];
  while (at < lists.length && items.length < query.limit) {
    const { olderThanMs } = query;
    const page = await store.list({ ...lists[at]!, olderThanMs, limit: query.limit - items.length, cursor });
    items.push(...page.items);
    cursor = page.next;
    if (cursor === null) at += 1;
  }
  const list = lists[at];
  return { kind: "page", items, next: list === undefined ? null : sealCursor(list, cursor) };
}

interface List {
  readonly service: string;
  readonly status: Status;
}

/** Names the list, so that a service added between two pages does not change what the cursor means. */
function sealCursor({ service, status }: List, cursor: string | null): string {
  return Buffer.from(JSON.stringify([service, status, cursor])).toString("base64url");
}

function openCursor(
  text: string,
  lists: readonly List[],
): { readonly at: number; readonly cursor: string | null } | { readonly reason: string } {
  let parts: unknown;
  try {
    parts = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return { reason: "the cursor cannot be read" };
  }
  if (!Array.isArray(parts) || parts.length !== 3) return { reason: "the cursor cannot be read" };
  const [service, status, cursor] = parts as unknown[];
  const at = lists.findIndex((list) => list.service === service && list.status === status);
  if (at === -1 || (cursor !== null && typeof cursor !== "string")) {
    return { reason: "the cursor belongs to another query" };
  }
  return { at, cursor };
}
