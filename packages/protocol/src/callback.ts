/** What a service may say about an execution: the bodies of complete, fail and heartbeat (API.md, "Execution API"). */

import { connectionFields } from "./http/connection-fields.ts";
import { isFieldValue, isMediaType, isToken } from "./http/token.ts";
import { readJsonText } from "./json/json-text.ts";
import { formatPointer } from "./json/pointer.ts";
import { parseJsonObject, type Json, type JsonObject } from "./json/json.ts";
import { fields, lowerFields, readResultStatus } from "./headers.ts";
import type { Executed } from "./problem-types.ts";
import { Problem } from "./problems.ts";
import type { Progress } from "./process-view.ts";

export type FieldLine = readonly [name: string, value: string];

/** A callback request after its body was read: every header line, and the raw bytes. */
export interface CallbackRequest {
  readonly headers: readonly FieldLine[];
  readonly body: Uint8Array;
}

/** The result that will be stored and replayed as the service's response. */
export interface Completion {
  readonly status: number;
  readonly headers: readonly FieldLine[];
  readonly body: Uint8Array;
}

export interface Failure {
  /** false unless the service says so: it alone knows whether another attempt can help. */
  readonly retryable: boolean;
  /** "unknown" unless the service says otherwise. */
  readonly executed: Executed;
  readonly title: string | null;
  readonly detail: string | null;
  readonly type: string | null;
  readonly status: number | null;
}

export interface Heartbeat {
  /** null: nothing said about progress. */
  readonly progress: Progress | null;
  /** How much longer the service wants to be waited for; null: the route's usual time. */
  readonly extendMs: number | null;
}

export const resultMediaType = "application/vnd.sticky.result+json";
export const problemMediaType = "application/problem+json";

/** Representation fields of the callback itself that belong to the result. */
export const resultFields: ReadonlySet<string> = new Set([
  "content-type",
  "content-encoding",
  "content-language",
  "content-disposition",
]);

/**
 * Any content type is the result itself, under Sticky-Result-Status; the result media type names all three parts.
 * Throws `malformed-request`, `malformed-json`, `unsupported-media-type`, `validation-failed`.
 */
export function parseCompletion({ headers, body }: CallbackRequest): Completion {
  const mediaType = mediaTypeOf(headers);
  if (mediaType !== resultMediaType) {
    const status = readResultStatus(lines(headers, lowerFields.stickyResultStatus));
    if (mediaType === null && body.length > 0) throw unsupported("The result needs a Content-Type.");
    return checkedCompletion({
      status,
      headers: headers.filter(([name]) => resultFields.has(name.toLowerCase())),
      body,
    });
  }
  requirePlainUtf8(headers);
  if (lines(headers, lowerFields.stickyResultStatus).length > 0) {
    throw malformed(
      `${fields.stickyResultStatus} does not go with ${resultMediaType}: it has a status member.`,
    );
  }
  const object = reportObject(body);
  onlyMembers(object, ["status", "headers", "body"]);
  const [resultBody, impliedType] = bodyMember(object.body, readJsonText(body)?.at(["body"]));
  const resultHeaders = headersMember(object.headers);
  const typed = resultHeaders.some(([name]) => name.toLowerCase() === "content-type");
  if (impliedType !== null && !typed) resultHeaders.push(["content-type", impliedType]);
  return checkedCompletion({
    status: integerMember(object, "status", 200, 599) ?? 200,
    headers: resultHeaders,
    body: resultBody,
  });
}

/** A problem object (RFC 9457) with `retryable` and `executed`; an empty body is a failure without particulars. */
export function parseFailure({ headers, body }: CallbackRequest): Failure {
  const object = optionalObject(headers, body, [problemMediaType, "application/json"], reportObject);
  const executed = object.executed ?? "unknown";
  if (executed !== "no" && executed !== "yes" && executed !== "unknown") {
    throw invalid("/executed", 'must be "no", "yes" or "unknown"');
  }
  const retryable = object.retryable ?? false;
  if (typeof retryable !== "boolean") throw invalid("/retryable", "must be true or false");
  return {
    retryable,
    executed,
    title: textMember(object, "title", 256),
    detail: textMember(object, "detail", 4096),
    type: textMember(object, "type", 1024),
    status: integerMember(object, "status", 100, 599),
  };
}

const maxExtendMs = 7 * 24 * 3600 * 1000;

/** `{"progress": {"percent", "message"}, "extendMs"}`, every member optional; an empty body says "still alive". */
export function parseHeartbeat({ headers, body }: CallbackRequest): Heartbeat {
  const object = optionalObject(headers, body, ["application/json"], reportObject);
  onlyMembers(object, ["progress", "extendMs"]);
  return {
    progress: progressMember(object.progress),
    extendMs: integerMember(object, "extendMs", 1, maxExtendMs),
  };
}

/**
 * The JSON object that a request to one of our own resources brings; an empty one when it brings no body.
 * @throws Problem unsupported-media-type (another type, none, or a content coding), malformed-json, malformed-request
 */
export function parseJsonRequest({ headers, body }: CallbackRequest): JsonObject {
  return optionalObject(headers, body, ["application/json"], parseJsonObject);
}

/** Media type in lower case without parameters; null when absent or not one. Two Content-Type lines are malformed. */
function mediaTypeOf(headers: readonly FieldLine[]): string | null {
  const [line, second] = lines(headers, "content-type");
  if (line === undefined) return null;
  if (second !== undefined) throw malformed("Content-Type is present more than once.");
  const type = line.split(";", 1)[0]!.trim().toLowerCase();
  if (!isMediaType(type)) {
    throw unsupported("Content-Type is not a media type.");
  }
  return type;
}

function optionalObject(
  headers: readonly FieldLine[],
  body: Uint8Array,
  accepted: readonly string[],
  parse: (body: Uint8Array) => JsonObject,
): JsonObject {
  const mediaType = mediaTypeOf(headers);
  if (mediaType === null && body.length === 0) return {};
  if (mediaType === null || !accepted.includes(mediaType)) {
    throw unsupported(`Send ${accepted.join(" or ")}.`);
  }
  requirePlainUtf8(headers);
  return body.length === 0 ? {} : parse(body);
}

/** Of any of the three forms. */
const readMembers: ReadonlySet<string> = new Set(
  "status headers body title detail type retryable executed progress extendMs".split(" "),
);

/**
 * The members of a report, which comes from somebody who has proved who it is: what nobody reads may be odd (a byte order
 * mark, a lone surrogate, a name that stands twice further down). Throws where a member of the report itself stands twice.
 */
function reportObject(body: Uint8Array): JsonObject {
  const text = readJsonText(body);
  const value: unknown = text === null ? null : JSON.parse(text.text);
  // Says what is wrong, and where.
  if (text === null || typeof value !== "object" || value === null || Array.isArray(value))
    return parseJsonObject(body);
  const twice = Object.keys(value).find((name) => readMembers.has(name) && text.at([name]) === undefined);
  if (twice !== undefined)
    throw new Problem("malformed-json", { detail: `The report's member ${twice} stands twice.` });
  return value as JsonObject;
}

function requirePlainUtf8(headers: readonly FieldLine[]): void {
  const charset = /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(lines(headers, "content-type")[0] ?? "")?.[1];
  if (charset !== undefined && charset.toLowerCase() !== "utf-8") throw unsupported("JSON is UTF-8.");
  const coded = lines(headers, "content-encoding").some((line) => line.trim().toLowerCase() !== "identity");
  if (coded) throw unsupported("The body must not have a Content-Encoding.");
}

/** A string is sent as it is, any other JSON value as the text in which it was written: numbers keep their digits. */
function bodyMember(
  body: Json | undefined,
  source: string | undefined,
): [body: Uint8Array, impliedType: string | null] {
  if (body === undefined) return [new Uint8Array(0), null];
  if (typeof body === "string")
    return [new TextEncoder().encode(body), body === "" ? null : "text/plain; charset=utf-8"];
  return [new TextEncoder().encode(source ?? JSON.stringify(body)), "application/json"];
}

const maxResultHeaderLines = 128;

/** Ours to write: a result cannot carry them, nor what belongs to one connection. */
export const reserved = new Set([
  "content-length",
  "via",
  "date",
  "idempotent-replayed",
  "idempotency-expires",
  "proxy-status",
]);

function headersMember(member: Json | undefined): FieldLine[] {
  if (member === undefined) return [];
  if (member === null || typeof member !== "object" || Array.isArray(member)) {
    throw invalid("/headers", "must be an object of strings or arrays of strings");
  }
  const list: FieldLine[] = [];
  for (const [name, value] of Object.entries(member)) {
    const at = formatPointer(["headers", name]);
    const lower = name.toLowerCase();
    if (!isToken(name)) throw invalid(at, "is not a field name");
    if (connectionFields.has(lower) || reserved.has(lower) || lower.startsWith("sticky-"))
      throw invalid(at, "cannot be set by a result");
    for (const line of Array.isArray(value) ? value : [value]) {
      if (typeof line !== "string" || !isFieldValue(line)) throw invalid(at, "is not a field value");
      list.push([name, line]);
    }
  }
  if (list.length > maxResultHeaderLines)
    throw invalid("/headers", `has more than ${maxResultHeaderLines} lines`);
  return list;
}

function checkedCompletion(completion: Completion): Completion {
  // RFC 9110 6.4.1: these never have content, so a replay could not send it.
  const bodiless = completion.status === 204 || completion.status === 205 || completion.status === 304;
  if (bodiless && completion.body.length > 0) {
    throw malformed(`A result of status ${completion.status} cannot have a body.`);
  }
  return completion;
}

function progressMember(member: Json | undefined): Progress | null {
  if (member === undefined || member === null) return null;
  if (typeof member !== "object" || Array.isArray(member)) throw invalid("/progress", "must be an object");
  onlyMembers(member, ["percent", "message"], "/progress");
  const percent = member.percent ?? null;
  if (percent !== null && (typeof percent !== "number" || percent < 0 || percent > 100)) {
    throw invalid("/progress/percent", "must be a number from 0 to 100");
  }
  return { percent, message: textMember(member, "message", 1024, "/progress") };
}

function textMember(object: JsonObject, name: string, maxLength: number, base = ""): string | null {
  const value = object[name] ?? null;
  if (value !== null && (typeof value !== "string" || value.length > maxLength)) {
    throw invalid(`${base}/${name}`, `must be a string of at most ${maxLength} characters`);
  }
  return value;
}

function integerMember(object: JsonObject, name: string, min: number, max: number): number | null {
  const value = object[name] ?? null;
  if (value === null) return null;
  if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(`/${name}`, `must be a whole number from ${min} to ${max}`);
  }
  return value;
}

function onlyMembers(object: JsonObject, allowed: readonly string[], base = ""): void {
  for (const name of Object.keys(object)) {
    if (!allowed.includes(name))
      throw invalid(base === "" ? "" : base, `may have only ${allowed.join(", ")}`);
  }
}

/** `pointer` (RFC 6901) names the member. */
function invalid(pointer: string, message: string): Problem {
  return new Problem("validation-failed", {
    detail: `${pointer === "" ? "The body" : pointer} ${message}.`,
    extensions: { errors: [{ pointer, message }] },
  });
}

function malformed(detail: string): Problem {
  return new Problem("malformed-request", { detail });
}

function unsupported(detail: string): Problem {
  return new Problem("unsupported-media-type", { detail });
}

function lines(headers: readonly FieldLine[], lowerName: string): string[] {
  return headers.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value);
}
