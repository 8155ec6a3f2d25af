/**
 * Who holds a service's own job id. A report that names the id ends every process that holds it, so an id that a running
 * process of one owner holds is never given to another owner's. Pure.
 */
import { isTerminal, type ProcessRecord } from "./record.ts";
import type { AttemptRef } from "./store.ts";

/** A service that answers one id for ever is not followed further than this. */
const maxHolders = 16;

export interface Holder {
  readonly ref: AttemptRef;
  /** null: it is gone. */
  readonly record: ProcessRecord | null;
}

/**
 * The holders with `record` among them; an ended process has freed the id, and a later attempt takes its process's place.
 * null: a running process of another owner holds it, or too many do.
 */
export function holdersWith(held: readonly Holder[], record: ProcessRecord): readonly AttemptRef[] | null {
  const others = held.filter(
    (holder) =>
      holder.record !== null && !isTerminal(holder.record.status) && !isSameProcess(holder.record, record),
  );
  const isShared = others.every((holder) => isSameOwner(holder.record!, record));
  if (!isShared || others.length >= maxHolders) return null;
  const { partition, scope, epoch, attempt } = record;
  return [...others.map(({ ref }) => ref), { partition, scope, epoch, attempt }];
}

/** Who sent no credential is nobody in particular: what is known of it is its address. */
function isSameOwner(a: ProcessRecord, b: ProcessRecord): boolean {
  if (a.credential !== b.credential) return false;
  return a.credential !== "" || a.holder === b.holder;
}

function isSameProcess(a: ProcessRecord, b: ProcessRecord): boolean {
  return a.scope === b.scope && a.epoch === b.epoch;
}
