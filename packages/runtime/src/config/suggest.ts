/** "Did you mean …": the known word that a mistyped one is nearest to. */
import { distance } from "fastest-levenshtein";

/** null: nothing is near enough. A third of the word's letters may be wrong; letter case does not count. */
export function nearestWord(word: string, known: Iterable<string>): string | null {
  let nearest: string | null = null;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const far = distance(word.toLowerCase(), candidate.toLowerCase());
    if (far >= least) continue;
    least = far;
    nearest = candidate;
  }
  return nearest;
}

/** ` (did you mean "port"?)`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const nearest = nearestWord(word, known);
  return nearest === null || nearest === word ? "" : ` (did you mean "${nearest}"?)`;
}
