/** An audit in memory for tests of commands that act. */
import { InvalidCursor } from "@sticky-proxy/core/process";
import type { Audit, AuditEntry } from "@sticky-proxy/core/operators";

export interface MemoryAudit extends Audit {
  readonly entries: AuditEntry[];
  /** Set: nothing can be written. */
  fault: Error | null;
}

export function createMemoryAudit(): MemoryAudit {
  const entries: AuditEntry[] = [];
  const audit: MemoryAudit = {
    entries,
    fault: null,
    async begin(start) {
      if (audit.fault !== null) throw audit.fault;
      const id = `${entries.length + 1}-0`;
      entries.push({ ...start, id, at: entries.length, result: null });
      return id;
    },
    async end(id, result) {
      const at = entries.findIndex((entry) => entry.id === id);
      entries[at] = { ...entries[at]!, result };
    },
    async list({ limit, cursor }) {
      if (cursor !== null) throw new InvalidCursor();
      return { items: entries.toReversed().slice(0, limit), next: null };
    },
  };
  return audit;
}
