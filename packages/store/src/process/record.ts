/** The process record as hash fields: one per property, absent when it says nothing (null, false, or its blank value). */
import type { EpochMs, Fence, Scope } from "@sticky-proxy/protocol";
import {
  blankRecord,
  type Change,
  type Draft,
  type ProcessRecord,
  type RecordField,
  recordFields,
  type Spans,
} from "@sticky-proxy/core/process";
import type { Reply } from "../redis/scripts.ts";

/** What a script writes into a record's hash. */
export interface FieldWrites {
  /** Field and value in turn. */
  readonly values: readonly string[];
  /** Field and milliseconds in turn: a time of the script's clock, so much later. */
  readonly spans: readonly string[];
  /** Fields that get the fence which the script minted. */
  readonly minted: readonly RecordField[];
  readonly gone: readonly RecordField[];
}

type Values = Readonly<Partial<Record<RecordField, string | number | boolean | null>>>;

/** A record from HGETALL's flat reply; null when the hash is empty. Unknown fields are ignored. */
export function recordOf(reply: readonly Reply[], partition: number, scope: Scope): ProcessRecord | null {
  if (reply.length === 0) return null;
  const record: Record<string, unknown> = { ...blankRecord, partition, scope };
  for (let i = 0; i + 1 < reply.length; i += 2) {
    const field = String(reply[i]);
    if (Object.hasOwn(recordFields, field))
      record[field] = parsed(field as RecordField, String(reply[i + 1]));
  }
  return record as unknown as ProcessRecord;
}

/** The record that a script made of `base` by these writes: what HGETALL would say, without asking. */
export function writtenRecord(
  base: ProcessRecord,
  { values, spans, minted, gone }: FieldWrites,
  now: EpochMs,
  fence: Fence,
): ProcessRecord {
  const record: Record<string, unknown> = { ...base };
  for (let i = 0; i < values.length; i += 2)
    record[values[i]!] = parsed(values[i] as RecordField, values[i + 1]!);
  for (let i = 0; i < spans.length; i += 2) record[spans[i]!] = now + Number(spans[i + 1]);
  for (const field of minted) record[field] = fence;
  for (const field of gone) record[field] = blankRecord[field];
  return record as unknown as ProcessRecord;
}

/** What create and supersede make of a draft by `draftWrites`. */
export function newRecord(
  { partition, scope }: Draft,
  writes: FieldWrites,
  now: EpochMs,
  epoch: Fence,
): ProcessRecord {
  return writtenRecord({ ...blankRecord, partition, scope }, writes, now, epoch);
}

/** The writes as `write` of process-write.lua reads them: how many there are of each kind, then all of them. */
export function writeArgs({ values, spans, minted, gone }: FieldWrites): (string | number)[] {
  const counts = [values.length, spans.length, minted.length, gone.length];
  return [...counts, ...values, ...spans, ...minted, ...gone];
}

/** What a new process's hash holds; epoch and fence are minted by the script. */
export function draftWrites(draft: Draft): FieldWrites {
  const { values } = valueWrites(draft.fields);
  const { spans } = spanWrites(draft.spans);
  return {
    values: ["version", "1", "lastWrite", draft.writeId, ...values],
    spans: ["createdAt", "0", "updatedAt", "0", ...spans],
    minted: ["epoch", "fence"],
    gone: [],
  };
}

/** What a commit writes over `base`. */
export function changeWrites(base: ProcessRecord, change: Change, writeId: string): FieldWrites {
  const set = valueWrites(change.set);
  const moved = spanWrites(change.spans);
  return {
    values: ["version", String(base.version + 1), "lastWrite", writeId, ...set.values],
    spans: ["updatedAt", "0", ...moved.spans],
    minted: change.mintFence ? ["fence"] : [],
    gone: [...set.gone, ...moved.gone],
  };
}

function valueWrites(fields: Values): Pick<FieldWrites, "values" | "gone"> {
  const values: string[] = [];
  const gone: RecordField[] = [];
  for (const [name, value] of Object.entries(fields)) {
    const field = name as RecordField;
    if (value === undefined) continue;
    if (value === null || value === blankRecord[field]) gone.push(field);
    else values.push(field, value === true ? "1" : String(value));
  }
  return { values, gone };
}

function spanWrites(times: Spans): Pick<FieldWrites, "spans" | "gone"> {
  const spans: string[] = [];
  const gone: RecordField[] = [];
  for (const [name, span] of Object.entries(times)) {
    const field = name as RecordField;
    if (span === undefined) continue;
    if (span === null) gone.push(field);
    else spans.push(field, String(Math.round(span)));
  }
  return { spans, gone };
}

function parsed(field: RecordField, text: string): string | number | boolean {
  const kind = recordFields[field];
  return kind === "number" ? Number(text) : kind === "flag" ? text === "1" : text;
}
