/** Numbers, spans, times and ids as the panel writes them. */

/** 10 176 with a thin space; "–" for zero where zero is the good case. */
export function count(value: number, zero = "0"): string {
  return value === 0 ? zero : String(value).replace(/\B(?=(\d{3})+$)/g, "\u2009");
}

/** Three digits: "0.05", "4.4", "210", "1 200". */
export function short(value: number): string {
  if (value === 0) return "0";
  if (value < 1) return String(Math.round(value * 100) / 100);
  return value < 10 ? String(Math.round(value * 10) / 10) : count(Math.round(value));
}

/** "62 ms", "4.4 s", "15 min", "3 h", "2 d". */
export function span(ms: number): string {
  const abs = Math.abs(ms);
  if (abs < 1000) return `${Math.round(ms)} ms`;
  if (abs < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  if (abs < 120_000) return `${Math.round(ms / 1000)} s`;
  if (abs < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  if (abs < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** Ages in whole steps: "8 s", "4 min". */
export function age(ms: number): string {
  const whole = Math.max(0, ms);
  return whole < 1000 ? "0 s" : whole < 10_000 ? `${Math.floor(whole / 1000)} s` : span(whole);
}

export function bytes(value: number): string {
  if (value < 1000) return `${value} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let size = value;
  let unit = -1;
  do {
    size /= 1000;
    unit += 1;
  } while (size >= 1000 && unit < units.length - 1);
  return `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

export function percent(ratio: number | null): string {
  if (ratio === null) return "–";
  const value = ratio * 100;
  // Never "100" while something is missing.
  return value === 100 ? "100 %" : `${Math.floor(value * 10) / 10} %`;
}

/** "22:24:30.405" in UTC. */
export function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 23);
}

/** Partition, six characters of the scope, the last four of the epoch. */
export function shortId(id: string): { readonly head: string; readonly tail: string } {
  const [partition = "", scope = "", epoch = ""] = id.split(".");
  return { head: `${partition}.${scope.slice(0, 6)}`, tail: `…${epoch.slice(-4)}` };
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}
