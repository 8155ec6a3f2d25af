/** Reads request bodies and their members; a wrong one is an error in the response. */
import { CodedError, Problem } from "@sticky-proxy/protocol";
import { parseJsonObject, type Json } from "@sticky-proxy/protocol/json";
import type { Context } from "koa";

const maxBodyBytes = 1024 * 1024;

/** An error with its response: `{"error": message, …members}`. */
export class DemoError extends CodedError {
  override readonly name = "DemoError";
  override readonly code = "DEMO";
  readonly status: number;
  readonly members: Readonly<Record<string, unknown>>;

  constructor(status: number, message: string, members: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.status = status;
    this.members = members;
  }
}

export type Members = Readonly<Record<string, Json>>;

/** The JSON object of the body; without a body an empty object. @throws DemoError 400, 413 */
export async function readObject(ctx: Context): Promise<Members> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new DemoError(413, `the body is larger than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) return {};
  try {
    return parseJsonObject(Buffer.concat(chunks));
  } catch (error) {
    if (error instanceof Problem) throw new DemoError(400, error.message);
    throw error;
  }
}

export interface Range {
  readonly min?: number;
  readonly max: number;
  readonly initial: number;
}

/** A number from the body or the query; absent: `initial`. @throws DemoError 422 */
export function numberOf(value: unknown, name: string, { min = 0, max, initial }: Range): number {
  if (value === undefined || value === null) return initial;
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  if (typeof number !== "number" || !Number.isFinite(number) || number < min || number > max)
    throw new DemoError(422, `${name} must be a number from ${min} to ${max}`);
  return number;
}

/** A whole number; otherwise like {@link numberOf}. */
export function integerOf(value: unknown, name: string, range: Range): number {
  const number = numberOf(value, name, range);
  if (!Number.isInteger(number)) throw new DemoError(422, `${name} must be a whole number`);
  return number;
}

/** The request's idempotency key without quotes; "" when it has none. */
export function keyOf(ctx: Context): string {
  const raw = ctx.get("idempotency-key") || ctx.get("x-idempotency-key");
  return raw.length >= 2 && raw.startsWith('"') && raw.endsWith('"') ? raw.slice(1, -1) : raw;
}
