/** Processes as lines for people, and the small words that commands take for spans, statuses and numbers. */
import { processId, type ProcessRecord, type Status } from "@sticky-proxy/core/process";
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

/** Columns as wide as their widest value; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  return [head, ...rows].map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? plain(cell) : plain(cell).padEnd(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
}

/** What clients sent stands in operations and reasons: no control characters reach the terminal. */
export function plain(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

/** "3d4h", "12m5s", "0s". */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "m"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return "0s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${unit}`)
    .join("");
}

export function processRows(records: readonly ProcessRecord[], now: number): string[][] {
  return records.map((record) => [
    processId(record),
    record.service,
    record.phase ?? record.status,
    `${record.attempt}/${record.maxAttempts}`,
    age(now - record.createdAt),
    record.operation,
  ]);
}

export const processHead = ["ID", "SERVICE", "STATUS", "ATTEMPT", "AGE", "OPERATION"] as const;
