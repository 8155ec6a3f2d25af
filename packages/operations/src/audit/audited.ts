/** Writes what is done to the audit: before it is done, so that nothing happens that the audit does not know of. */
import type { Audit, AuditEntry, AuditQuery, AuditStart } from "@sticky-proxy/core/operators";
import type { Page } from "@sticky-proxy/core/process";
import { CodedError } from "@sticky-proxy/protocol";

/** The audit could not be written, so nothing was done. */
export class AuditUnavailable extends CodedError {
  override readonly name = "AuditUnavailable";
  override readonly code = "AUDIT_UNAVAILABLE";
}

/**
 * Runs `act` between the audit's begin and end.
 * @param resultOf the word that the audit keeps of what came
 * @throws AuditUnavailable when the start cannot be written; else what `act` throws
 */
export async function audited<T>(
  audit: Audit,
  start: AuditStart,
  act: () => Promise<T>,
  resultOf: (outcome: { readonly value: T } | { readonly err: unknown }) => string,
): Promise<T> {
  let id: string;
  try {
    id = await audit.begin(start);
  } catch (cause) {
    throw new AuditUnavailable("the audit cannot be written, so nothing was done", { cause });
  }
  // What was done stays done, whether or not its result can be written.
  const end = (result: string): Promise<void> => audit.end(id, result).catch(() => undefined);
  try {
    const value = await act();
    await end(resultOf({ value }));
    return value;
  } catch (err) {
    await end(resultOf({ err }));
    throw err;
  }
}

/** Newest first. @throws StoreUnavailable */
export function listAudit(audit: Pick<Audit, "list">, query: AuditQuery): Promise<Page<AuditEntry>> {
  return audit.list(query);
}
