/**
 * Webhooks for jobs that no process is known for, at a service's one fixed address. A webhook may outrun the index
 * entry of its own dispatch, so it is asked to come again for a while and refused afterwards.
 *
 * Each replica counts for itself and remembers a bounded number: a webhook's repeats that are spread over n replicas
 * are asked n times as long at most.
 */

/** API.md: unknown ids are 503 for so long. */
export const graceMs = 10_000;
/** Then refused for so long; a later webhook is a new one, whose job may just have been given an old id. */
export const refusedMs = 600_000;
const maxRemembered = 10_000;

export interface UnknownJobs {
  /** Counts from its first call for this job. */
  isEarly(service: string, jobId: string): boolean;
}

/** @param now ms, of any clock */
export function createUnknownJobs(now: () => number): UnknownJobs {
  const firstSeen = new Map<string, number>();
  return {
    isEarly(service, jobId) {
      const job = `${service} ${jobId}`; // a service's name holds no space
      const age = now() - (firstSeen.get(job) ?? Number.NEGATIVE_INFINITY);
      if (age < graceMs) return true;
      if (age < graceMs + refusedMs) return false;
      firstSeen.delete(job); // to the end of the order, which is the order of forgetting
      firstSeen.set(job, now());
      if (firstSeen.size > maxRemembered) firstSeen.delete(firstSeen.keys().next().value!);
      return true;
    },
  };
}
