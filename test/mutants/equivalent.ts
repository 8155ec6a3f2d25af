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

const fingerprint = "packages/core/src/idempotency/fingerprint.ts";
const tie = "of two equal names the sort keeps the order, whatever positive number or zero it gets";

const known: readonly Equivalent[] = [
  { file: fingerprint, from: "0", to: "1", reason: tie },
  { file: fingerprint, from: "1", to: "2", reason: "a comparison's sign counts, not its size" },
  { file: fingerprint, from: ">", to: ">=", reason: "an empty body is no JSON: it is read raw either way" },
  {
    file: "packages/core/src/idempotency/scope.ts",
    from: "256",
    to: "257",
    reason: "no byte reaches the table's 257th entry",
  },
  {
    file: "packages/core/src/process/attempt.ts",
    from: "500",
    to: "501",
    reason: "the answers that reach it are 408, 502 and 504",
  },
];

export function isEquivalent(file: string, { from, to }: Pick<Mutant, "from" | "to">): boolean {
  return known.some((each) => each.file === file && each.from === from && each.to === to);
}
