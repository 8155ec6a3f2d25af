/** How long a regular expression may take, judged by its text. Pure. */

/**
 * How backtracking may go wrong: exponentially where a repeated group itself repeats or chooses, and with a back
 * reference; by a power of the text's length with several repetitions. Refuses some harmless patterns, which can be
 * written without the group.
 */
export function patternRisk(source: string): { readonly canExplode: boolean; readonly repeats: number } {
  const groups: { isLoose: boolean }[] = [{ isLoose: false }];
  let closed: { isLoose: boolean } | null = null;
  let repeats = 0;
  for (let i = 0; i < source.length; i += 1) {
    const rest = source.slice(i);
    const group = groups.at(-1)!;
    const before = closed;
    closed = null;
    const repeat = /^(?:[*+]|\{\d+(?:,\d*)?\})/.exec(rest)?.[0];
    if (repeat !== undefined) {
      if (before !== null && before.isLoose) return { canExplode: true, repeats };
      if (!/^\{\d+\}$/.test(repeat)) {
        group.isLoose = true;
        repeats += 1;
      }
      i += repeat.length - 1;
    } else if (source[i] === "\\") {
      if (/^\\(?:[1-9]|k<)/.test(rest)) return { canExplode: true, repeats };
      i += 1;
    } else if (source[i] === "[") {
      const set = /^\[(?:\\.|[^\]\\])*\]/s.exec(rest)?.[0];
      i += (set ?? rest).length - 1;
    } else if (source[i] === "(") {
      groups.push({ isLoose: false });
      i += /^\((?:\?(?:[:=!]|<[=!]|<[^>]*>))?/.exec(rest)![0].length - 1;
    } else if (source[i] === ")" && groups.length > 1) {
      closed = groups.pop()!;
      if (closed.isLoose) groups.at(-1)!.isLoose = true;
    } else if (source[i] === "|" || source[i] === "?") {
      group.isLoose = true;
    }
  }
  return { canExplode: false, repeats };
}
