/**
 * Two answers to one request, cheapest first: equal bytes, status, chosen headers, then the body by media type.
 * Pure: bodies come decoded, the budget's clock and the redactor are handed in.
 */
import { createHash } from "node:crypto";
import { type HeaderList, headerJoined, headerLines, headerValue } from "../http/message.ts";
import type { ComparePolicy } from "../registry/service.ts";
import { type Edit, type WalkBudget, compareJson, pointerText } from "./compare-json.ts";
import type { DifferenceClass } from "./difference.ts";
import { JsonArray, JsonObject, parseJson, type JsonValue, type ParsedJson } from "./json-walk.ts";
import type { MaskStates } from "./mask-trie.ts";
import { redactText, type Shower } from "./redact.ts";

/** One side's answer. */
export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  /** Content coding removed; null: larger than what is kept or may be decoded. */
  readonly body: Uint8Array | null;
}

export interface Comparison {
  readonly result: "matched" | "masked" | "different";
  /** What kind of difference; null unless different. */
  readonly class: DifferenceClass | null;
  readonly edits: readonly Edit[];
  /** More edits than are kept. */
  readonly truncated: boolean;
  /** Places where a mask excused something. */
  readonly masked: number;
}

export interface CompareContext {
  readonly policy: ComparePolicy;
  /** {@link compileMasks} of the policy. */
  readonly masks: MaskStates;
  readonly budget: WalkBudget;
  readonly show: Shower;
  /** Secret of the redactor, for free text. */
  readonly redactKey: string;
}

interface Found {
  readonly edits: readonly Edit[];
  readonly masked: number;
  readonly truncated: boolean;
  readonly tooLarge: boolean;
}

const jsonType = /^application\/(?:json|[^;]*\+json)(?:;|$)/;

const nothing: Found = { edits: [], masked: 0, truncated: false, tooLarge: false };

export function compareAnswers(primary: Answer, secondary: Answer, context: CompareContext): Comparison {
  const status = compareStatus(primary.status, secondary.status, context.policy);
  if (status.edits.length > 0) {
    const gone = secondary.status === 404 || secondary.status === 410;
    const kind = gone && primary.status < 400 ? "missing" : "status";
    return { result: "different", class: kind, edits: status.edits, truncated: false, masked: 0 };
  }
  const headers = compareHeaders(primary.headers, secondary.headers, context);
  const body = compareBodies(primary, secondary, context);
  const edits = [...headers.edits, ...body.edits];
  const masked = status.masked + headers.masked + body.masked;
  if (body.tooLarge) return { result: "different", class: "too-large", edits, truncated: true, masked };
  if (edits.length > 0) {
    return { result: "different", class: classOf(headers, body), edits, truncated: body.truncated, masked };
  }
  return { result: masked > 0 ? "masked" : "matched", class: null, edits, truncated: false, masked };
}

function classOf(headers: Found, body: Found): DifferenceClass {
  if (body.edits.length === 0) return "header";
  return headers.edits.length === 0 && body.edits.every((edit) => edit.kind === "order") ? "order" : "body";
}

function compareStatus(a: number, b: number, policy: ComparePolicy): Found {
  if (a === b) return nothing;
  const isSameClass = Math.floor(a / 100) === Math.floor(b / 100);
  if (policy.status === "class" && isSameClass) return { ...nothing, masked: 1 };
  const edit: Edit = { part: "status", path: "", kind: "changed", primary: String(a), secondary: String(b) };
  return { ...nothing, edits: [edit] };
}

function compareHeaders(a: HeaderList, b: HeaderList, context: CompareContext): Found {
  const edits: Edit[] = [];
  for (const name of context.policy.headers) {
    const field = name.toLowerCase();
    const [x, y] = [comparable(a, field), comparable(b, field)];
    if (x === y) continue;
    edits.push({
      part: "header",
      path: field,
      kind: x === null ? "extra" : y === null ? "missing" : "changed",
      primary: x === null ? null : context.show([field], x),
      secondary: y === null ? null : context.show([field], y),
    });
  }
  return { ...nothing, edits };
}

/** The part of a field that two backends can agree on. */
function comparable(headers: HeaderList, field: string): string | null {
  if (field === "set-cookie") {
    // Values are per session; only which cookies are set is compared.
    const names = headerLines(headers, field).map((line) => line.split("=", 1)[0]!.trim());
    return names.length === 0 ? null : names.sort().join(", ");
  }
  const value = headerJoined(headers, field);
  if (value === null) return null;
  if (field === "content-type") {
    const type = value
      .toLowerCase()
      .replace(/\s*;\s*/g, ";")
      .replaceAll('"', "");
    // RFC 8259 11: JSON has no charset, one that is given means nothing.
    return jsonType.test(type) ? type.replace(/;charset=[^;]*/g, "") : type;
  }
  // Each backend names itself in an absolute Location.
  if (field === "location") return value.replace(/^https?:\/\/[^/?#]*/i, "");
  return value.trim().replace(/\s*,\s*/g, ", ");
}

function compareBodies(primary: Answer, secondary: Answer, context: CompareContext): Found {
  const [a, b] = [primary.body, secondary.body];
  if (a === null || b === null) return { ...nothing, tooLarge: true };
  if (Buffer.compare(a, b) === 0) return nothing;
  const type = mediaType(contentType(primary.headers) ?? contentType(secondary.headers) ?? "");
  const isError = primary.status >= 400 && !context.policy.exactErrors;
  if (type === "json") {
    const [x, y] = [parseJson(a), parseJson(b)];
    const large = [x, y].some((parsed) => !parsed.ok && parsed.reason === "too-large");
    if (large) return { ...nothing, tooLarge: true };
    if (x.ok && y.ok) return isError ? compareErrors(x, y, context) : walkJson(x.value, y.value, context);
  }
  if (isError) return { ...nothing, masked: 1 };
  if (type === "form") return compareForms(a, b, context);
  if (type === "text" || type === "json") return compareText(a, b, context);
  return differByHash(a, b);
}

/** Errors agree when status and error code do; wording, ids and times are the service's own business. */
function compareErrors(
  a: ParsedJson & { ok: true },
  b: ParsedJson & { ok: true },
  context: CompareContext,
): Found {
  const [x, y] = [errorCode(a.value), errorCode(b.value)];
  if (x?.code === y?.code) return { ...nothing, masked: 1 };
  const path = pointerText((x ?? y)!.path);
  return {
    ...nothing,
    edits: [
      {
        part: "body",
        path,
        kind: x === null ? "extra" : y === null ? "missing" : "changed",
        primary: x === null ? null : context.show(x.path, x.code),
        secondary: y === null ? null : context.show(y.path, y.code),
      },
    ],
  };
}

/** Where services put an error's code: RFC 9457 `type`, and the usual members. */
function errorCode(value: JsonValue): { path: string[]; code: string } | null {
  if (!(value instanceof JsonObject)) return null;
  for (const name of ["code", "type", "error_code", "errorCode", "error"]) {
    const member = value.members.get(name);
    if (typeof member === "string") return { path: [name], code: member };
    if (name === "error" && member instanceof JsonObject) {
      const inner = errorCode(member);
      if (inner !== null) return { path: [name, ...inner.path], code: inner.code };
    }
  }
  return null;
}

function walkJson(a: JsonValue, b: JsonValue, context: CompareContext): Found {
  const walked = compareJson(a, b, context.masks, context.budget, context.show);
  if (walked.kind === "too-large") return { ...nothing, edits: walked.edits, tooLarge: true };
  return { edits: walked.edits, masked: walked.masked, truncated: walked.truncated, tooLarge: false };
}

/** A form is an object of lists of strings: masks apply to its names. */
function compareForms(a: Uint8Array, b: Uint8Array, context: CompareContext): Found {
  return walkJson(formValue(a), formValue(b), context);
}

function formValue(body: Uint8Array): JsonValue {
  const lists = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(Buffer.from(body).toString("utf8"))) {
    const list = lists.get(name);
    if (list === undefined) lists.set(name, [value]);
    else list.push(value);
  }
  const members = [...lists].map(([name, list]): [string, JsonValue] => [
    name,
    list.length === 1 ? list[0]! : new JsonArray(list),
  ]);
  return new JsonObject(new Map(members));
}

/** The first line that differs, by its number. */
function compareText(a: Uint8Array, b: Uint8Array, context: CompareContext): Found {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  const shorter = Math.min(x.length, y.length);
  let at = 0;
  let line = 1;
  let start = 0;
  for (; at < shorter && x[at] === y[at]; at++) {
    if (x[at] === 0x0a) {
      line++;
      start = at + 1;
    }
  }
  const excerpt = (text: Buffer): string => {
    const from = Math.max(start, at - 80);
    const end = text.indexOf(0x0a, at);
    return redactText(
      context.redactKey,
      text.toString("utf8", from, Math.min(end < 0 ? text.length : end, from + 1024)),
    );
  };
  const edit: Edit = {
    part: "body",
    path: `line ${line}`,
    kind: "changed",
    primary: excerpt(x),
    secondary: excerpt(y),
  };
  return { ...nothing, edits: [edit], truncated: true };
}

function differByHash(a: Uint8Array, b: Uint8Array): Found {
  const shown = (bytes: Uint8Array): string => `${bytes.length} bytes, sha-256 ${sha256(bytes)}`;
  const edit: Edit = { part: "body", path: "", kind: "changed", primary: shown(a), secondary: shown(b) };
  return { ...nothing, edits: [edit] };
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function contentType(headers: HeaderList): string | null {
  return headerValue(headers, "content-type");
}

function mediaType(value: string): "json" | "form" | "text" | "bytes" {
  const type = value.split(";", 1)[0]!.trim().toLowerCase();
  if (type === "application/json" || type.endsWith("+json")) return "json";
  if (type === "application/x-www-form-urlencoded") return "form";
  const isText = type.startsWith("text/") || type.endsWith("+xml") || type === "application/xml";
  return isText || type === "application/javascript" ? "text" : "bytes";
}
