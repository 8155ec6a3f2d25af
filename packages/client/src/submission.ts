/** A submission as a request: its header fields, and whether the request may be retried. */

import {
  fields,
  formatIdempotencyKey,
  readIdempotencyKey,
  type OnDuplicateOption,
} from "@sticky-proxy/protocol";
import type { RequestBody, RequestFields } from "./transport.ts";

export interface SubmitInit {
  /** Default POST. */
  readonly method?: string;
  readonly headers?: RequestFields;
  readonly body?: RequestBody;
  /** Instead of `body`: sent as application/json. */
  readonly json?: unknown;
  /** 1 to 255 printable ASCII characters without quotes and backslashes. Default: a random UUID. */
  readonly idempotencyKey?: string;
  /** How long to wait for the result (at most the route's `waitMs`). Default: 202 at once. */
  readonly waitMs?: number;
  readonly onDuplicate?: OnDuplicateOption;
  /** Run again even when a result is stored or a process is running, where the route allows it. */
  readonly force?: boolean;
  /** Shorter than the route's deadline; whole seconds. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Submission {
  readonly path: string;
  readonly headers: Headers;
  readonly body: RequestBody | null;
  readonly key: string;
  readonly repeatable: boolean;
}

/** Throws TypeError for a target, a key or a body that cannot be sent. */
export function submission(target: string, init: SubmitInit): Submission {
  const headers = new Headers(init.headers);
  const key = checkedKey(init.idempotencyKey ?? ownKey(headers) ?? crypto.randomUUID());
  headers.delete(fields.xIdempotencyKey);
  headers.set(fields.idempotencyKey, formatIdempotencyKey(key));
  headers.set(
    fields.prefer,
    init.waitMs === undefined ? "respond-async" : `wait=${wholeSeconds(init.waitMs)}`,
  );
  if (init.onDuplicate !== undefined) headers.set(fields.stickyOnDuplicate, init.onDuplicate);
  if (init.force === true) headers.set(fields.stickyForce, "true");
  if (init.deadlineMs !== undefined)
    headers.set(fields.stickyDeadline, String(wholeSeconds(init.deadlineMs)));
  const body = bodyOf(init, headers);
  // A forced or replacing run starts a new process each time: one without a response may be running.
  const startsAnew = init.force === true || init.onDuplicate === "replace";
  return {
    path: targetPath(target),
    headers,
    body,
    key,
    repeatable: !startsAnew && !(body instanceof ReadableStream),
  };
}

/** The URL parser would resolve dot segments before the gateway could refuse them. */
function targetPath(target: string): string {
  const path = `/${target.replace(/^\//, "")}`;
  const [beforeQuery = ""] = path.split(/[?#]/, 1);
  if (/(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\]|$)/i.test(beforeQuery) || path.includes("#")) {
    throw new TypeError(`not a path on a service: ${target}`);
  }
  return path;
}

function ownKey(headers: Headers): string | null {
  const key = headers.get(fields.idempotencyKey) ?? headers.get(fields.xIdempotencyKey);
  return key === null ? null : readIdempotencyKey([key], []);
}

export function checkedKey(key: string): string {
  try {
    return readIdempotencyKey([formatIdempotencyKey(key)], []) ?? key;
  } catch (cause) {
    throw new TypeError(
      "an idempotency key has 1 to 255 printable ASCII characters, no quotes, no backslashes",
      {
        cause,
      },
    );
  }
}

function bodyOf(init: SubmitInit, headers: Headers): RequestBody | null {
  if (init.json === undefined) return init.body ?? null;
  if (init.body !== undefined) throw new TypeError("give body or json, not both");
  if (!headers.has("content-type")) headers.set("Content-Type", "application/json");
  return JSON.stringify(init.json);
}

/** At least 1: the wire format has whole seconds. */
export function wholeSeconds(ms: number): number {
  return Math.max(1, Math.floor(ms / 1000));
}
