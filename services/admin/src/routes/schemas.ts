/** Schemas that several routes share. */
import type { Schema } from "../http/route.ts";

export const text = (maxLength: number): Schema => ({ type: "string", minLength: 1, maxLength });
export const reason: Schema = {
  type: "string",
  minLength: 3,
  maxLength: 300,
  pattern: "\\S",
  description: "Why, for the audit.",
};
export const pageSize: Schema = { type: "integer", minimum: 1, maximum: 200, default: 50 };
export const pageToken: Schema = { type: "string", minLength: 1, maxLength: 600 };
export const executed: Schema = { type: "string", enum: ["no", "yes", "unknown"] };
export const time: Schema = { type: "string", format: "date-time" };

/** Nothing but the named members. */
export function object(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[] = [],
): Schema {
  return { type: "object", properties, required, additionalProperties: false };
}

/** An answer may carry more than is named. */
export function answerObject(properties: Readonly<Record<string, Schema>>): Schema {
  return { type: "object", properties };
}

export const anyObject: Schema = { type: "object" };
export const list = (items: Schema): Schema => ({ type: "array", items });

/** A page: AIP-158 with what a bounded search looked at. */
export function pageOf(items: Schema): Schema {
  return answerObject({
    items: list(items),
    nextPageToken: { type: ["string", "null"] },
    totalSize: { type: ["integer", "null"], description: "null: not counted" },
    isEstimate: { type: "boolean" },
    scanned: { type: "integer", description: "How many were looked at for this page." },
    asOf: time,
  });
}
