/**
 * Judges a run by its history alone.
 *
 * I1  one fence: at most one start at the service.
 * I3  all acknowledged answers of a process are byte-equal, and nothing that contradicts them is told afterwards.
 * I4  each acknowledged result is in the store at the end.
 * I5  after the quiet nothing is alive; records, alarms, lists and bodies agree one to one.
 * I8  what was answered with executed "no" was never begun at the service.
 * I9  of a process's reports at most one is accepted, it is the stored result, and a forged one never counts.
 * Also: what was told to be cancelled stays cancelled, and nobody is told a result of it.
 */
import type { Execution, History, Operation, Report } from "./history.ts";

export interface Judgement {
  readonly doubleExecutions: readonly string[];
  readonly contradictions: readonly string[];
  readonly lostResults: readonly string[];
  readonly stuck: readonly string[];
  readonly falseNos: readonly string[];
  readonly wrongReports: readonly string[];
  readonly undoneCancels: readonly string[];
  /** Executions of one key that overlapped under different fences: the earlier one's lease had ended. */
  readonly takeOvers: number;
}

export function judge({ operations, executions, reports, stored, disagreements }: History): Judgement {
  const acknowledged = Map.groupBy(operations.filter(isAcknowledged), ({ answer }) => answer!.processId);
  const results = new Map(stored.map(({ id, result }) => [id, result]));
  const statuses = new Map(stored.map(({ id, status }) => [id, status]));
  const begun = new Set(executions.map(({ operation }) => operation));
  return {
    doubleExecutions: [...Map.groupBy(executions, ({ key, fence }) => `${key} fence ${fence}`)]
      .filter(([, all]) => all.length > 1)
      .map(([which, all]) => `${which}: ${all.length} starts`),
    contradictions: [...acknowledged].flatMap(([id, all]) => contradictionsOf(id, all, operations)),
    lostResults: [...acknowledged]
      .filter(([id, all]) => results.get(id) !== all.at(-1)!.answer!.body)
      .map(([id, all]) => `${id}: told ${all.at(-1)!.answer!.body}, stored ${results.get(id)}`),
    stuck: [
      ...stored
        .filter(
          ({ status, owner }) => !["completed", "failed", "cancelled"].includes(status) || owner !== null,
        )
        .map(({ id, status, owner, at = "" }) => `${id}: ${status}, owner ${owner}, ${at}`),
      ...disagreements,
    ],
    falseNos: operations
      .filter(({ id, answer }) => answer?.executed === "no" && begun.has(id))
      .map(({ id, answer }) => `${id}: ${answer!.status}, but it ran`),
    wrongReports: [...Map.groupBy(reports, ({ processId }) => processId)].flatMap(([id, all]) =>
      wrongReportsOf(id, all, results.get(id) ?? null),
    ),
    undoneCancels: operations
      .filter(({ kind, answer }) => kind === "cancel" && answer?.status === 200)
      .map(({ answer }) => answer!.processId)
      .filter((id) => statuses.get(id) !== "cancelled" || acknowledged.has(id))
      .map(
        (id) => `${id}: told cancelled, is ${statuses.get(id)}, results told ${acknowledged.get(id)?.length}`,
      ),
    takeOvers: [...Map.groupBy(executions, ({ key }) => key).values()].reduce(
      (sum, all) => sum + overlaps(all),
      0,
    ),
  };
}

export function findingsOf(judgement: Judgement): readonly string[] {
  const { takeOvers: _, ...findings } = judgement;
  return Object.values(findings).flat();
}

function wrongReportsOf(id: string, reports: readonly Report[], result: string | null): string[] {
  const acknowledged = reports.filter(({ answer }) => answer === "accepted" || answer === "duplicate");
  const accepted = acknowledged.filter(({ answer }) => answer === "accepted");
  return [
    ...(accepted.length > 1 ? [`${id}: ${accepted.length} reports accepted`] : []),
    ...acknowledged.filter(({ forged }) => forged).map(() => `${id}: a forged report counted`),
    ...acknowledged
      .filter(({ body }) => body !== result)
      .map(({ body, answer }) => `${id}: ${answer} ${body}, stored ${result}`),
  ];
}

function isAcknowledged({ kind, answer }: Operation): boolean {
  return kind !== "cancel" && answer !== null && answer.status === 200 && answer.executed === null;
}

function contradictionsOf(
  id: string,
  acknowledged: readonly Operation[],
  all: readonly Operation[],
): string[] {
  const bodies = new Set(acknowledged.map(({ answer }) => answer!.body));
  const found = bodies.size > 1 ? [`${id}: told ${[...bodies].join(" and ")}`] : [];
  const firstToldAt = Math.min(...acknowledged.map(({ endedAt }) => endedAt));
  for (const { kind, answer, startedAt } of all) {
    if (kind === "cancel") continue; // of what has ended: 409
    // 503: the store was away. A forced re-run may have moved a finished process aside, never undone its result.
    if (answer?.processId !== id || startedAt < firstToldAt || answer.status === 200 || answer.status === 503)
      continue;
    found.push(`${id}: told a result, then ${answer.status} ${answer.body}`);
  }
  return found;
}

function overlaps(executions: readonly Execution[]): number {
  return executions.filter((one, i) =>
    executions.some(
      (other, j) => j < i && one.fence !== other.fence && (other.endedAt ?? Infinity) > one.startedAt,
    ),
  ).length;
}
