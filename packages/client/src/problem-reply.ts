/** Distinguishes the gateway's problems from other responses. */

import {
  fields,
  parseRetryAfter,
  problemMediaType,
  problemTypePath,
  type Executed,
} from "@sticky-proxy/protocol";
import type { ProblemDetails } from "./errors.ts";

/** True when the body is, or may be, the gateway's problem; the service's own error bodies say `Sticky-Source: service` or `store`. */
export function mayBeProblem(response: Response): boolean {
  const source = response.headers.get(fields.stickySource);
  const type = response.headers.get("content-type") ?? "";
  return (
    response.status >= 400 && source !== "service" && source !== "store" && type.startsWith(problemMediaType)
  );
}

/** The problem in a body of which {@link mayBeProblem} is true; null when it is not the gateway's. `now` is epoch ms. */
export function problemDetails(response: Response, text: string, now: number): ProblemDetails | null {
  const body = jsonObject(text);
  const type = body?.["type"];
  if (body === null || typeof type !== "string") return null;
  const at = type.lastIndexOf(problemTypePath);
  if (at === -1) return null;
  const { executed } = body;
  return {
    slug: type.slice(at + problemTypePath.length),
    status: response.status,
    title: textOf(body["title"]) ?? `HTTP ${response.status}`,
    detail: textOf(body["detail"]),
    executed: isExecuted(executed) ? executed : null,
    retryable: body["retryable"] === true,
    processId: textOf(body["processId"]) ?? response.headers.get(fields.stickyProcessId),
    requestId: textOf(body["requestId"]) ?? response.headers.get(fields.xRequestId),
    retryAfterMs: retryAfterOf(response, now),
    links: linksOf(response.headers.get("link") ?? ""),
    body,
  };
}

/** Retry-After in milliseconds; null: none. */
export function retryAfterOf(response: Response, now: number): number | null {
  const value = response.headers.get(fields.retryAfter);
  return value === null ? null : parseRetryAfter(value, now);
}

/** null when the text is not a JSON object. */
export function jsonObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function linksOf(field: string): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  for (const [, target, rel] of field.matchAll(/<([^<>]*)>\s*;\s*rel="([^"]*)"/g)) {
    if (target !== undefined && rel !== undefined && !links.has(rel)) links.set(rel, target);
  }
  return links;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function isExecuted(value: unknown): value is Executed {
  return value === "no" || value === "yes" || value === "unknown";
}
