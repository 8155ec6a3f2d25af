/** What each bulk action finds and does: pages of records, the outlook of one, and the act on one. */
import type { BulkAction, BulkFilter } from "@sticky-proxy/core/operators";
import type { Page, ProcessRecord } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";
import { discardDeadLetter } from "../dead-letters/discard.ts";
import { endOf, listDeadLetters } from "../dead-letters/list.ts";
import { redriveDeadLetter, redriveOf } from "../dead-letters/redrive.ts";
import { cancelProcess, type CancelPorts } from "../processes/cancel.ts";

export interface BulkPorts extends CancelPorts {
  readonly processes: Pick<Processes, "store" | "read" | "apply" | "rerun">;
  /** Names of all services. @throws StoreUnavailable */
  readonly serviceNames: () => Promise<readonly string[]>;
}

export interface BulkTarget {
  /** Newest first. @throws StoreUnavailable */
  readonly page: (cursor: string | null, limit: number, now: number) => Promise<Page<ProcessRecord>>;
  /** When it came to match, epoch ms: what is later than the plan is not touched. */
  readonly since: (record: ProcessRecord) => number;
  readonly outlook: (record: ProcessRecord) => string;
  /** The result's word. @throws StoreUnavailable */
  readonly act: (record: ProcessRecord) => Promise<string>;
}

export function bulkTarget(ports: BulkPorts, action: BulkAction, filter: BulkFilter): BulkTarget {
  const { processes } = ports;
  const letters: Pick<BulkTarget, "page" | "since"> = {
    page: (cursor, limit) => listDeadLetters(processes, filter, { limit, cursor }),
    since: endOf,
  };
  switch (action) {
    case "redrive":
      return {
        ...letters,
        outlook: redriveOf,
        act: async (record) => (await redriveDeadLetter(processes, record)).kind,
      };
    case "discard":
      return { ...letters, outlook: () => "discard", act: (record) => discardDeadLetter(processes, record) };
    case "cancel":
      return {
        async page(cursor, limit, now) {
          const services = filter.service === null ? await ports.serviceNames() : [filter.service];
          return processes.store.listNewest({
            services,
            statuses: ["pending", "in-progress"],
            createdFrom: null,
            createdTo: filter.olderThanMs === null ? now : now - filter.olderThanMs,
            limit,
            cursor,
          });
        },
        since: ({ createdAt }) => createdAt,
        outlook: () => "cancel",
        act: async (record) => (await cancelProcess(ports, record)).kind,
      };
  }
}
