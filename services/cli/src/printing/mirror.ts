/** The mirror's findings as rows for people. */
import {
  parkedKeyName,
  pending,
  type CoverageRow,
  type Difference,
  type DifferenceGroup,
  type Gap,
  type ParkedKey,
} from "@sticky-proxy/core/mirror";
import { age, table } from "./table.ts";

const differenceHead = ["ID", "AGE", "SERVICE", "CLASS", "OPERATION", "WHERE"] as const;

export function differenceTable(differences: readonly Difference[], now: number): string[] {
  return table(
    differenceHead,
    differences.map((difference) => differenceRow(difference, now)),
  );
}

function differenceRow(difference: Difference, now: number): string[] {
  const { sides, edits } = difference;
  const [first] = edits;
  const where =
    first === undefined
      ? `${sides.primary.status ?? "-"} / ${sides.secondary.status ?? sides.secondary.error ?? "-"}`
      : `${first.part === "body" ? "" : `${first.part} `}${first.path} ${first.primary ?? "(none)"} / ${first.secondary ?? "(none)"}`;
  const more = edits.length > 1 ? ` (+${edits.length - 1})` : "";
  return [
    difference.id,
    age(now - difference.at),
    difference.service,
    difference.class,
    difference.operation,
    where.slice(0, 120) + more,
  ];
}

export function groupTable(groups: readonly DifferenceGroup[]): string[] {
  return table(
    ["COUNT", "SERVICE", "ROUTE", "CLASS", "PATH"],
    groups.map((group) => [String(group.count), group.service, group.route, group.class, group.path]),
  );
}

const coverageHead = [
  "SERVICE",
  "ROUTE",
  "ELIGIBLE",
  "MATCHED",
  "MASKED",
  "DIFFERENT",
  "RACE",
  "FAILED",
  "PENDING",
  "SKIPPED",
] as const;

export function coverageTable(rows: readonly CoverageRow[]): string[] {
  return table(coverageHead, rows.map(coverageRow));
}

function coverageRow({ service, route, coverage }: CoverageRow): string[] {
  const skipped = [...coverage.skipped].map(([reason, count]) => `${reason} ${count}`).join(", ");
  const { eligible, matched, masked, different, race, failed } = coverage;
  return [
    service,
    route,
    ...[eligible, matched, masked, different, race, failed, pending(coverage)].map(String),
    skipped || "-",
  ];
}

export function gapTable(gaps: readonly Gap[]): string[] {
  return table(
    ["FROM", "TO", "CALLS", "REASON", "SERVICE", "ROUTE"],
    gaps.map((gap) => [
      new Date(gap.from).toISOString(),
      new Date(gap.to).toISOString(),
      String(gap.count),
      gap.reason,
      gap.service,
      gap.route,
    ]),
  );
}

export function parkedTable(keys: readonly ParkedKey[], now: number): string[] {
  return table(
    ["KEY", "SERVICE", "REASON", "ENTRIES", "TRIES", "AGE", "NEXT", "ERROR"],
    keys.map((key) => [
      parkedKeyName(key),
      key.service,
      key.reason,
      String(key.entries),
      String(key.attempts),
      age(now - key.parkedAt),
      key.nextAt === null ? "never" : age(key.nextAt - now),
      key.error,
    ]),
  );
}
