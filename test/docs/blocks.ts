/** Fenced blocks of a Markdown file, and how a block of shown output is compared with what a command really printed. */

export interface Block {
  /** The words after the fence, e.g. "sh run". */
  readonly info: string;
  readonly text: string;
  /** Line of the fence, from 1. */
  readonly line: number;
  /** The `text` block that follows with nothing but blank lines between; null: none. */
  readonly shown: string | null;
}

export function blocksOf(markdown: string): Block[] {
  const lines = markdown.split("\n");
  const found: { info: string; text: string; from: number; to: number }[] = [];
  for (let i = 0; i < lines.length; i += 1) {
    const info = /^```(.*)$/.exec(lines[i]!)?.[1];
    if (info === undefined) continue;
    const from = i;
    const end = lines.indexOf("```", from + 1);
    if (end < 0) throw new Error(`the fence of line ${from + 1} is not closed`);
    i = end;
    found.push({ info: info.trim(), text: lines.slice(from + 1, i).join("\n"), from, to: i });
  }
  return found.map(({ info, text, from, to }, i) => {
    const next = found[i + 1];
    const isNext =
      next?.info === "text" && lines.slice(to + 1, next.from).every((line) => line.trim() === "");
    return { info, text, line: from + 1, shown: isNext ? next.text : null };
  });
}

const processId = /\b\d{1,3}\.[A-Za-z0-9_-]{22}\.[1-9a-z][0-9a-z]{7,10}\b/g;

/** What differs from run to run, by what it is. */
const passing: readonly [RegExp, string][] = [
  [/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "<request id>"],
  [/\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\b/g, "<date>"],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\b/g, "<time>"],
  [/\b\d{1,3}\.\d{16}\b/g, "<entry>"],
  [/\b\d{16}\b/g, "<fence>"],
  [/\bdemo-[12](?:-\d+)?\b/g, "<instance>"],
  [/\bttl=\d+\b/g, "<ttl>"],
  [/^Age: \d+$/g, "<age>"],
  [/ {2,}/g, " "],
];

/**
 * Every shown line must stand in the output, in this order; `…` stands for anything, a line of it for any lines.
 * `ids` is filled with what the shown process ids were this time: the same shown id is the same process everywhere.
 * Returns the first shown line that is missing, or null.
 */
export function missingLine(shown: string, output: string, ids: Map<string, string>): string | null {
  const actual = output.split(/\r?\n/);
  let at = 0;
  for (const line of shown.split("\n")) {
    if (line.trim() === "" || line.trim() === "…") continue;
    const [pattern, named] = patternOf(line, ids);
    let match: RegExpExecArray | null = null;
    while (match === null && at < actual.length) match = pattern.exec(withoutPassing(actual[at++]!));
    if (match === null) return line;
    named.forEach((id, i) => ids.set(id, match[i + 1]!));
  }
  return null;
}

/** With the ids that are new in this line, in the order of the pattern's groups. */
function patternOf(line: string, ids: ReadonlyMap<string, string>): [RegExp, string[]] {
  const named: string[] = [];
  const source = withoutPassing(line.trimEnd())
    .split(new RegExp(`(${processId.source}|…)`))
    .map((part) => {
      if (part === "…") return ".*";
      if (!new RegExp(`^${processId.source}$`).test(part)) return escaped(part);
      const known = ids.get(part);
      if (known !== undefined) return escaped(known);
      const group = named.indexOf(part);
      if (group >= 0) return `\\${group + 1}`;
      named.push(part);
      return `(${processId.source})`;
    });
  return [new RegExp(`^${source.join("")} *$`), named];
}

function withoutPassing(line: string): string {
  return passing.reduce((text, [what, name]) => text.replace(what, name), line);
}

/** A command as this run needs it: the ids that it got, the ports that were free. */
export function replaceAll(text: string, words: ReadonlyMap<string, string>): string {
  let result = text;
  for (const [word, value] of words) result = result.replaceAll(word, value);
  return result;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
