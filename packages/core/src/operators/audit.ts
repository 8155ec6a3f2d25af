/** The audit: who did what to what, when and why. Entries are only added; their number and age are bounded. */
import type { Page } from "../process/store.ts";

/** What is about to be done. */
export interface AuditStart {
  readonly actor: string;
  /** "" where the actor has no role: the command line on Redis itself. */
  readonly role: string;
  readonly source: "panel" | "api" | "direct";
  /** The client's address; "" for the command line. */
  readonly address: string;
  /** "process.cancel", "cache.purge" … */
  readonly action: string;
  /** An id, a filter, a URL; never a key or a payload. */
  readonly target: string;
  /** "" where none is asked for. */
  readonly reason: string;
  readonly requestId: string;
}

export interface AuditEntry extends AuditStart {
  /** Names the entry; later ones sort after it. */
  readonly id: string;
  /** Epoch ms of the store's clock. */
  readonly at: number;
  /** What came of it; null: it is under way, or whoever did it died. */
  readonly result: string | null;
}

/** null: any. */
export interface AuditQuery {
  readonly actor: string | null;
  /** Prefix: "process." finds all that is done with processes. */
  readonly action: string | null;
  /** Part of the target. */
  readonly target: string | null;
  /** Epoch ms. */
  readonly since: number | null;
  readonly limit: number;
  readonly cursor: string | null;
}

export interface Audit {
  /** Written before anything is done. @returns the entry's id. @throws StoreUnavailable: then nothing may be done */
  begin(start: AuditStart): Promise<string>;
  /** @throws StoreUnavailable; what was done stays done */
  end(id: string, result: string): Promise<void>;
  /** Newest first. @throws StoreUnavailable */
  list(query: AuditQuery): Promise<Page<AuditEntry>>;
}

export function answersAuditQuery(entry: AuditEntry, { actor, action, target, since }: AuditQuery): boolean {
  return (
    (actor === null || entry.actor === actor) &&
    (action === null || entry.action.startsWith(action)) &&
    (target === null || entry.target.includes(target)) &&
    (since === null || entry.at >= since)
  );
}
