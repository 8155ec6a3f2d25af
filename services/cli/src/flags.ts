/** The values of flags: spans, counts, words. Each reader throws a UsageError that names the flag. */
import type { Status } from "@sticky-proxy/core/process";
import { statusesInOrder } from "@sticky-proxy/operations";
import type { FlagValue } from "@sticky-proxy/runtime";
import { UsageError } from "./command.ts";

type Flag = FlagValue | undefined;

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** "90s", "10m", "2h", "7d" in ms; null: not given. @throws UsageError */
export function spanFlag(name: string, value: Flag): number | null {
  if (value === undefined) return null;
  const match = /^(\d{1,9})([smhd])$/.exec(String(value));
  if (match === null) throw new UsageError(`--${name} takes a span such as 90s, 10m, 2h or 7d`);
  return Number(match[1]) * units[match[2] as keyof typeof units];
}

/** @throws UsageError */
export function countFlag(name: string, value: Flag, fallback: number, max: number): number {
  if (value === undefined) return fallback;
  const count = /^\d{1,9}$/.test(String(value)) ? Number(value) : 0;
  if (count < 1 || count > max) throw new UsageError(`--${name} takes a number from 1 to ${max}`);
  return count;
}

export function textFlag(value: Flag): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

/** One of `words`, null: not given. @throws UsageError */
export function wordFlag<W extends string>(name: string, value: Flag, words: readonly W[]): W | null {
  if (value === undefined) return null;
  const word = words.find((known) => known === value);
  if (word === undefined) throw new UsageError(`--${name} is one of: ${words.join(", ")}`);
  return word;
}

/** "failed,cancelled"; empty: all. @throws UsageError */
export function statusesFlag(value: Flag): readonly Status[] {
  if (value === undefined) return [];
  return String(value)
    .split(",")
    .map((word) => wordFlag("status", word.trim(), statusesInOrder)!);
}
