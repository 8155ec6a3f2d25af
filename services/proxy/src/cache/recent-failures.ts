/** Failures of fetches, kept for a moment, which spares a failing service one attempt for each request. */
import type { CacheDeps } from "./cache-deps.ts";

export interface RecentFailures<T> {
  record(id: string, failure: T): void;
  /** null: none lately. */
  recent(id: string): T | null;
  forget(id: string): void;
}

const failureMs = 1000;
const maxFailures = 1000;

/** @param forMs how long a failure is recent */
export function createRecentFailures<T>(
  { monotonic }: Pick<CacheDeps, "monotonic">,
  forMs = failureMs,
): RecentFailures<T> {
  const failures = new Map<string, { failure: T; until: number }>();
  return {
    record(id, failure) {
      if (failures.size >= maxFailures) failures.clear();
      failures.set(id, { failure, until: monotonic() + forMs });
    },
    recent(id) {
      const known = failures.get(id);
      if (known === undefined) return null;
      if (monotonic() < known.until) return known.failure;
      failures.delete(id);
      return null;
    },
    forget: (id) => void failures.delete(id),
  };
}
