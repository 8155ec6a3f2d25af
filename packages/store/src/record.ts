/** The process record as hash fields: one per property, absent when it says nothing (null, false, or its blank value). */
import {
  blankRecord,
  type Change,
  type Draft,
  type ProcessRecord,
  type RecordField,
  recordFields,
  type Spans,
} from "@sticky-proxy/core";
import type { Reply } from "./scripts.ts";

/** How a script writes a field: a value, a span added to its clock, the fence it minted, or no field at all. */
export type FieldWrite = readonly [op: "=" | "+" | "#" | "-", field: RecordField, value: string];

type Values = Readonly<Partial<Record<RecordField, string | number | boolean | null>>>;

/** A record from HGETALL's flat reply; null when the hash is empty. Unknown fields are ignored. */
export function recordOf(reply: readonly Reply[], partition: number, scope: string): ProcessRecord | null {
  if (reply.length === 0) return null;
  const record: Record<string, unknown> = { ...blankRecord, partition, scope };
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const field = String(reply[i]);
    const kind = recordFields[field as RecordField] as "text" | "number" | "flag" | undefined;
    if (kind === undefined) continue;
    const text = String(reply[i + 1]);
    record[field] = kind === "number" ? Number(text) : kind === "flag" ? text === "1" : text;
  }
  return record as unknown as ProcessRecord;
}

/** What a new process's hash holds; epoch and fence are minted by the script. */
export function draftWrites(draft: Draft): FieldWrite[] {
  return [
    ["#", "epoch", ""],
    ["#", "fence", ""],
    ["=", "version", "1"],
    ["=", "lastWrite", draft.writeId],
    ["+", "createdAt", "0"],
    ["+", "updatedAt", "0"],
    ...valueWrites(draft.fields).filter(([op]) => op !== "-"),
    ...spanWrites(draft.spans).filter(([op]) => op !== "-"),
  ];
}

/** What a commit writes over `base`. */
export function changeWrites(base: ProcessRecord, change: Change, writeId: string): FieldWrite[] {
  return [
    ["=", "version", String(base.version + 1)],
    ["=", "lastWrite", writeId],
    ["+", "updatedAt", "0"],
    ...valueWrites(change.set),
    ...spanWrites(change.spans),
    ...(change.mintFence ? ([["#", "fence", ""]] as const) : []),
  ];
}

function valueWrites(values: Values): FieldWrite[] {
  const writes: FieldWrite[] = [];
  for (const [name, value] of Object.entries(values)) {
    const field = name as RecordField;
    if (value === undefined) continue;
    if (value === null || value === blankRecord[field]) writes.push(["-", field, ""]);
    else writes.push(["=", field, value === true ? "1" : String(value)]);
  }
  return writes;
}

function spanWrites(spans: Spans): FieldWrite[] {
  const writes: FieldWrite[] = [];
  for (const [name, span] of Object.entries(spans)) {
    const field = name as RecordField;
    if (span === undefined) continue;
    writes.push(span === null ? ["-", field, ""] : ["+", field, String(Math.round(span))]);
  }
  return writes;
}
