/** Pages of lists: the sealed token names place and time, and belongs to one filter. */
import { openPage, sealPage } from "@sticky-proxy/core/operators";
import { Problem } from "@sticky-proxy/protocol";

export interface Pages {
  /** @throws Problem invalid-parameter for a token of another query, made up, or older than a day */
  open(
    route: string,
    query: PageQuery,
    now: number,
  ): { readonly cursor: string | null; readonly asOf: number };
  /** null: there is no next page. */
  seal(route: string, query: PageQuery, next: string | null, asOf: number): string | null;
}

export interface PageQuery {
  readonly pageToken?: string;
  readonly pageSize: number;
}

/** @param key the installation's secret: every replica opens what another has sealed */
export function createPages(key: string): Pages {
  return {
    open(route, query, now) {
      if (query.pageToken === undefined) return { cursor: null, asOf: now };
      const state = openPage(key, filterText(route, query), query.pageToken, now);
      if (state === null)
        throw new Problem("invalid-parameter", {
          detail: "pageToken belongs to another query or is older than a day; start from the first page",
        });
      return state;
    },
    seal: (route, query, next, asOf) =>
      next === null ? null : sealPage(key, filterText(route, query), { cursor: next, asOf }),
  };
}

/** One spelling per filter, whatever the order of its members; the page's size may change from page to page. */
function filterText(route: string, query: PageQuery): string {
  const filter = Object.entries(query)
    .filter(([name, value]) => name !== "pageToken" && name !== "pageSize" && value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `${route}?${JSON.stringify(filter)}`;
}
