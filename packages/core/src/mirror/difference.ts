/** What is kept of two answers that were not alike, and of a comparison in general. */
import type { Edit } from "./compare-json.ts";

/**
 * `missing`: the secondary does not have what the primary serves. `error`, `timeout`: it never gave an answer to
 * compare. `race`: unlike, but other writes of the same key were on their way. `order`: the same items in another
 * order. `id`: both made the same thing under ids of their own, and no map joins them. `too-large`: a bound of the comparison was hit. `primary-unknown`: whether the primary ran is not known.
 */
export const differenceClasses = [
  "status",
  "header",
  "body",
  "missing",
  "error",
  "timeout",
  "race",
  "order",
  "too-large",
  "primary-unknown",
  "id",
] as const;

export type DifferenceClass = (typeof differenceClasses)[number];

export interface DifferenceSide {
  /** Instance name, for operators; null: not known. */
  readonly instance: string | null;
  /** null: no answer. */
  readonly status: number | null;
  readonly latencyMs: number | null;
  readonly bodySha256: string | null;
  readonly bodyBytes: number | null;
  /** RFC 9209 error type when there was no answer. */
  readonly error: string | null;
}

export interface Difference {
  /** "<partition>.<unique>": tells where it is kept. */
  readonly id: string;
  /** Epoch ms of the store's clock, when the call was made. */
  readonly at: number;
  /** null: the call had no process (a read, a shadowed call). */
  readonly processId: string | null;
  readonly service: string;
  readonly secondary: string;
  readonly route: string;
  /** "POST /users" as in the process record. */
  readonly operation: string;
  readonly orderKey: string;
  readonly configVersion: string;
  readonly class: DifferenceClass;
  readonly sides: { readonly primary: DifferenceSide; readonly secondary: DifferenceSide };
  readonly edits: readonly Edit[];
  readonly truncated: boolean;
  readonly masked: number;
  /** Sends to the secondary until this answer. */
  readonly attempts: number;
  /** Call times at the primary overlapped another write of the key (R7). */
  readonly concurrent: boolean;
  readonly acknowledged: Acknowledgement | null;
  /** The link before this record's and its own (chain.ts); absent: an older version wrote it. */
  readonly chain?: { readonly previous: string; readonly link: string };
}

/** Somebody has seen it; it stays until its TTL but is not listed as open. */
export interface Acknowledgement {
  readonly by: string;
  readonly note: string;
  readonly at: number;
}

/** A difference before the store gave it id, time and state. */
export type NewDifference = Omit<Difference, "id" | "at" | "acknowledged" | "chain">;

export const maxDifferenceBytes = 32 * 1024;

/** Drops edits from the end until the record's JSON fits {@link maxDifferenceBytes}; says so by `truncated`. */
export function bounded(difference: NewDifference): NewDifference {
  let kept = difference;
  while (kept.edits.length > 1 && Buffer.byteLength(JSON.stringify(kept)) > maxDifferenceBytes) {
    kept = { ...kept, edits: kept.edits.slice(0, Math.ceil(kept.edits.length / 2)), truncated: true };
  }
  return kept;
}

/** The places of a difference as they are summed; one difference counts once per place. */
export function groupPaths(difference: Pick<NewDifference, "edits">): readonly string[] {
  const paths = new Set<string>();
  for (const edit of difference.edits) {
    if (edit.part === "status") paths.add("status");
    else paths.add(edit.part === "header" ? `header:${edit.path}` : groupPath(edit.path));
    if (paths.size >= 20) break;
  }
  return paths.size === 0 ? [""] : [...paths];
}

/** A pointer's group: list positions and members that look like ids become "*", so that the sums stay few. */
export function groupPath(path: string): string {
  return path
    .split("/")
    .slice(0, 12)
    .map((token) =>
      /^(?:[0-9]+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,64})$/i.test(token) || token.length > 64
        ? "*"
        : token,
    )
    .join("/");
}
