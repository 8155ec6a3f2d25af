/** The port to difference records and coverage sums: drain and proxies write them, operators read them. */
import type { Page } from "../process/store.ts";
import type { Coverage, CoverageOutcome } from "./coverage.ts";
import type { Difference, DifferenceClass, NewDifference } from "./difference.ts";
import type { DifferenceLimits } from "./outbox.ts";

/** A call outside the outbox (shadow, dual-read): eligible and its outcome in one write, or eligible before it. */
export interface Observation {
  readonly service: string;
  readonly route: string;
  readonly orderKey: string;
  /** null: under way, counted as eligible alone. */
  readonly outcome: CoverageOutcome | null;
  /** How many calls; 1 with a difference. */
  readonly count: number;
  /** They were counted as eligible while they were under way. */
  readonly isCounted: boolean;
  readonly window: number;
  readonly difference: NewDifference | null;
  readonly limits: DifferenceLimits;
}

export interface DifferenceQuery {
  readonly service: string | null;
  readonly route: string | null;
  readonly class: DifferenceClass | null;
  /** Prefix of an edit's path; null: any. */
  readonly path: string | null;
  /** Epoch ms; null: all that is kept. */
  readonly since: number | null;
  /** Only those that nobody has acknowledged. */
  readonly open: boolean;
  readonly limit: number;
  /** From the page before; null: the newest. */
  readonly cursor: string | null;
}

/** Sum of differences of one kind at one place. */
export interface DifferenceGroup {
  readonly service: string;
  readonly route: string;
  readonly class: DifferenceClass;
  /** {@link groupPath} of the edit; "header:<name>", "status", or "" where there is no place. */
  readonly path: string;
  readonly count: number;
}

export interface CoverageRow {
  readonly service: string;
  readonly route: string;
  readonly coverage: Coverage;
}

export interface Differences {
  observe(observation: Observation): Promise<void>;
  /** Newest first. */
  list(query: DifferenceQuery): Promise<Page<Difference>>;
  /** null: unknown, malformed or gone. */
  show(id: string): Promise<Difference | null>;
  /** null: gone. The first acknowledgement stays. */
  acknowledge(id: string, by: string, note: string): Promise<Difference | null>;
  /** Most frequent first. `since` is rounded down to its hour. */
  groups(query: { readonly since: number | null }): Promise<readonly DifferenceGroup[]>;
  coverage(query: {
    readonly since: number | null;
    readonly service: string | null;
  }): Promise<readonly CoverageRow[]>;
}

/** Whether a record answers the query; used where a store has no index for it. */
export function answersQuery(difference: Difference, query: DifferenceQuery): boolean {
  const { service, route, path, since, open } = query;
  return (
    (service === null || difference.service === service) &&
    (route === null || difference.route === route) &&
    (query.class === null || difference.class === query.class) &&
    (path === null || difference.edits.some((edit) => edit.path.startsWith(path))) &&
    (since === null || difference.at >= since) &&
    (!open || difference.acknowledged === null)
  );
}
