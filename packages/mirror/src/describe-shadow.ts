/** Difference records of copies without a process: a read, or a shadowed call. Pure. */
import type { DifferenceSide, NewDifference } from "@sticky-proxy/core/mirror";
import type { Compared } from "./comparer.ts";
import type { SecondaryOutcome } from "./secondary.ts";
import type { PrimaryAnswer, ShadowJob } from "./shadow-job.ts";

export function answeredDifference(
  job: ShadowJob,
  primary: PrimaryAnswer,
  answer: Extract<SecondaryOutcome, { kind: "answered" }>,
  { comparison, ...facts }: Compared,
  race: boolean,
  configVersion: string,
): NewDifference {
  return {
    ...common(job, configVersion),
    class: race ? "race" : comparison.class!,
    sides: {
      primary: {
        instance: null,
        status: primary.status,
        latencyMs: Math.round(primary.latencyMs),
        bodySha256: facts.primary.sha256,
        bodyBytes: facts.primary.bytes,
        error: null,
      },
      secondary: {
        instance: answer.instance,
        status: answer.status,
        latencyMs: Math.round(answer.latencyMs),
        bodySha256: facts.secondary.sha256,
        bodyBytes: facts.secondary.bytes,
        error: null,
      },
    },
    edits: comparison.edits,
    truncated: comparison.truncated,
    masked: comparison.masked,
    attempts: 1,
    concurrent: race,
  };
}

export function failedDifference(
  job: ShadowJob,
  answer: Extract<SecondaryOutcome, { kind: "failed" }>,
  configVersion: string,
): NewDifference {
  const { failure } = answer;
  const primary = typeof job.primary === "string" ? null : job.primary;
  const unknown: DifferenceSide = {
    instance: null,
    status: null,
    latencyMs: null,
    bodySha256: null,
    bodyBytes: null,
    error: null,
  };
  return {
    ...common(job, configVersion),
    class: failure.kind === "no-answer" && failure.timedOut ? "timeout" : "error",
    sides: {
      primary: {
        ...unknown,
        status: primary?.status ?? null,
        latencyMs: primary === null ? null : Math.round(primary.latencyMs),
        bodyBytes: primary?.body?.length ?? null,
      },
      secondary: {
        ...unknown,
        instance: answer.instance,
        latencyMs: Math.round(answer.latencyMs),
        ...(failure.kind === "try-later" ? { status: failure.status } : { error: failure.error }),
      },
    },
    edits: [],
    truncated: false,
    masked: 0,
    attempts: 1,
    concurrent: false,
  };
}

function common(job: ShadowJob, configVersion: string) {
  return {
    processId: null,
    service: job.service.name,
    secondary: job.secondary.name,
    route: job.route.name,
    operation: `${job.head.method} ${job.head.path}`.slice(0, 64),
    orderKey: job.orderKey,
    configVersion,
  };
}
