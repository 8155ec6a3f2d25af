/** How filters write ranges: `1h` (within the last hour), `10s-` (at least), `-5m` (at most), `2-5` (from, to). */
import { Problem } from "@sticky-proxy/protocol";

export interface Range {
  readonly from: number | null;
  readonly to: number | null;
}

export const anyRange: Range = { from: null, to: null };

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "90s" in ms. @throws Problem invalid-parameter naming `name` */
export function readSpan(text: string, name: string): number {
  const found = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  if (found === null)
    throw new Problem("invalid-parameter", { detail: `${name} must be a span such as 15m, 1h or 7d` });
  return Number(found[1]) * units[found[2]!]!;
}

/** undefined: any. @throws Problem invalid-parameter */
export function readSpanRange(text: string | undefined, name: string): Range {
  return readRange(text, name, readSpan);
}

/** undefined: any. @throws Problem invalid-parameter */
export function readNumberRange(text: string | undefined, name: string): Range {
  return readRange(text, name, (part) => {
    if (!/^\d{1,6}$/.test(part))
      throw new Problem("invalid-parameter", { detail: `${name} must be a number or a range such as 2-` });
    return Number(part);
  });
}

function readRange(
  text: string | undefined,
  name: string,
  read: (part: string, name: string) => number,
): Range {
  if (text === undefined) return anyRange;
  const dash = text.indexOf("-");
  if (dash === -1) return { from: read(text, name), to: read(text, name) };
  const [from, to] = [text.slice(0, dash), text.slice(dash + 1)];
  if (from === "" && to === "") throw new Problem("invalid-parameter", { detail: `${name} has no end` });
  return { from: from === "" ? null : read(from, name), to: to === "" ? null : read(to, name) };
}
