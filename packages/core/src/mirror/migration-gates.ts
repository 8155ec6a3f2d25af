/** What must hold before the authority of a service changes. Pure. */
import type { Service } from "../registry/service.ts";
import type { Coverage } from "./coverage.ts";
import type { CoverageRow } from "./differences.ts";
import { readsOnly, viewMs, type MigrationState, type NodeView } from "./migration.ts";
import type { Lag } from "./outbox.ts";

/** One condition of a switch, as it was found. */
export interface Gate {
  readonly name: "phase" | "nodes" | "copied" | "compared" | "differences" | "parked" | "lag";
  readonly isOpen: boolean;
  /** For people: the measured value, and the value the gate requires. */
  readonly found: string;
}

export interface GateFacts {
  readonly service: Service;
  readonly state: MigrationState;
  /** Since the state became what it is, by whole hours. */
  readonly coverage: readonly CoverageRow[];
  readonly lag: Lag | null;
  readonly views: readonly NodeView[];
}

/** Outcomes after which the other backend lacks a write, or nobody knows. */
const losses = [
  "gap",
  "lag",
  "store-away",
  "memory",
  "shed",
  "body-too-large",
  "primary-unknown",
  "operator",
  "record-gone",
  "unconfigured",
] as const;

/** Calls whose copy the other backend lacks. */
export function lossesOf({ skipped }: Pick<Coverage, "skipped">): number {
  return losses.reduce((sum, reason) => sum + (skipped.get(reason) ?? 0), 0);
}

/**
 * All gates, open or not.
 * @param token of the barrier that the caller has raised; null: none. The lag is asked for below it alone: under load it
 * is never 0 before
 */
export function gatesOf(facts: GateFacts, token: string | null): readonly Gate[] {
  const { service, state, coverage, lag } = facts;
  const policy = service.migration!;
  const writing = new Set(service.routes.filter((route) => !readsOnly(route)).map(({ name }) => name));
  let lost = 0;
  let compared = 0;
  let different = 0;
  for (const row of coverage) {
    const sums = row.coverage;
    compared += sums.matched + sums.masked + sums.different;
    different += sums.different;
    if (!writing.has(row.route)) continue;
    lost += sums.failed + lossesOf(sums);
  }
  const rate = compared === 0 ? 0 : different / compared;
  const entries = lag?.entries ?? 0;
  const silent = facts.views.filter((view) => isSilent(view) && !isDone(view, token));
  return [
    gate("phase", state.phase === "dual-write", `${state.phase}, and must be dual-write`),
    gate("nodes", silent.length === 0, silent.length === 0 ? "all are heard" : silenceText(silent)),
    gate("copied", lost === 0, `${lost} writes that the other backend lacks, of which there may be none`),
    gate("compared", compared >= policy.minCompared, `${compared} pairs, of at least ${policy.minCompared}`),
    gate(
      "differences",
      rate <= policy.maxDifferenceRate,
      `${different} of ${compared} differ, at most a share of ${policy.maxDifferenceRate} may`,
    ),
    gate("parked", (lag?.parkedKeys ?? 0) === 0, `${lag?.parkedKeys ?? 0} keys stand aside, and none may`),
    ...(token !== null ? [gate("lag", entries === 0, `${entries} copies wait, and none may`)] : []),
  ];
}

function gate(name: Gate["name"], isOpen: boolean, found: string): Gate {
  return { name, isOpen, found };
}

/** It has been killed, or cannot reach the store: what it does now, nobody knows. */
function isSilent({ ageMs }: NodeView): boolean {
  return ageMs > 2 * viewMs;
}

function isDone({ barrier, writes }: NodeView, token: string | null): boolean {
  return barrier === token && writes === 0;
}

function silenceText(silent: readonly NodeView[]): string {
  const names = silent.map(({ node }) => node).join(", ");
  return `${names} fell silent without leaving: copies that it had not noted yet may be lacking`;
}

/** Whether every node obeys the barrier and has nothing under way. */
export function areDrained(views: readonly NodeView[], token: string): boolean {
  return views.every((view) => isDone(view, token));
}
