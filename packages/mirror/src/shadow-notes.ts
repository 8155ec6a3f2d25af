/** Records the outcome of each copy: in metrics at once, and in the store as coverage and differences. */
import type { Clock } from "@sticky-proxy/protocol";
import {
  coverageWindow,
  type CoverageOutcome,
  type Differences,
  type NewDifference,
} from "@sticky-proxy/core/mirror";
import type { Compared } from "./comparer.ts";
import { answeredDifference, failedDifference } from "./describe-shadow.ts";
import { recordsPerPartition } from "./mirror-entry.ts";
import { createObservations } from "./observations.ts";
import type { SecondaryOutcome } from "./secondary.ts";
import type { PrimaryAnswer, ShadowJob } from "./shadow-job.ts";

export type Answered = Extract<SecondaryOutcome, { kind: "answered" }>;

export interface ShadowNotesDeps {
  readonly differences: Pick<Differences, "observe">;
  readonly configVersion: () => string;
  readonly clock: Pick<Clock, "now">;
  readonly onOutcome: (service: string, outcome: CoverageOutcome, difference: NewDifference | null) => void;
}

export interface ShadowNotes {
  /** Records a call that was not copied; the next flush writes it. */
  skip(service: string, route: string, orderKey: string, outcome: CoverageOutcome): void;
  shed(job: ShadowJob): void;
  /** The job is under way: the next flush counts it as eligible, so that it shows as pending. */
  countPending(job: ShadowJob): void;
  keep(job: ShadowJob, outcome: CoverageOutcome, difference?: NewDifference | null): Promise<void>;
  keepFailure(job: ShadowJob, failed: Extract<SecondaryOutcome, { kind: "failed" }>): Promise<void>;
  keepDifference(
    job: ShadowJob,
    primary: PrimaryAnswer,
    answer: Answered,
    compared: Compared,
    outcome: "race" | "different",
  ): Promise<void>;
  flush(): Promise<void>;
}

function placeOf(job: ShadowJob) {
  return {
    service: job.service.name,
    route: job.route.name,
    orderKey: job.orderKey,
    count: 1,
    window: coverageWindow(job.at),
    limits: { ttlMs: job.policy.compare.ttlMs, maxDifferences: recordsPerPartition },
  };
}

export function createShadowNotes(deps: ShadowNotesDeps): ShadowNotes {
  const { differences, configVersion, clock, onOutcome } = deps;
  const observations = createObservations(differences);
  const counted = new WeakSet<ShadowJob>();

  function skip(service: string, route: string, orderKey: string, outcome: CoverageOutcome): void {
    const window = coverageWindow(clock.now());
    const limits = { ttlMs: 0, maxDifferences: recordsPerPartition };
    const call = { service, route, orderKey, window, count: 1, isCounted: false };
    observations.sum({ ...call, outcome, difference: null, limits });
    onOutcome(service, outcome, null);
  }

  /** From here on the job stands in the sums as pending. */
  function countPending(job: ShadowJob): void {
    if (counted.has(job)) return;
    counted.add(job);
    observations.sum({ ...placeOf(job), outcome: null, isCounted: false, difference: null });
  }

  async function keep(
    job: ShadowJob,
    outcome: CoverageOutcome,
    difference: NewDifference | null = null,
  ): Promise<void> {
    onOutcome(job.service.name, outcome, difference);
    await observations.note({ ...placeOf(job), outcome, isCounted: counted.has(job), difference });
  }

  return {
    skip,
    shed(job) {
      onOutcome(job.service.name, "skipped:shed", null);
      observations.sum({
        ...placeOf(job),
        outcome: "skipped:shed",
        isCounted: counted.has(job),
        difference: null,
      });
    },
    countPending,
    keep,
    keepFailure: (job, failed) => keep(job, "failed", failedDifference(job, failed, configVersion())),
    keepDifference(job, primary, answer, compared, outcome) {
      const isRace = outcome === "race";
      return keep(job, outcome, answeredDifference(job, primary, answer, compared, isRace, configVersion()));
    },
    flush: () => observations.flush(),
  };
}
