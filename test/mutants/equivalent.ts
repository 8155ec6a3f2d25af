/**
 * Mutants that no test can tell from the source, each with the reason. A comment `// equivalent: <reason>` at the end of
 * a line does the same for every mutant of that line.
 */
import type { Mutant } from "./mutations.ts";

interface Equivalent {
  readonly file: string;
  /** As the runner prints it. */
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

const known: readonly Equivalent[] = [];

export function isEquivalent(file: string, { from, to }: Pick<Mutant, "from" | "to">): boolean {
  return known.some((each) => each.file === file && each.from === from && each.to === to);
}
