/** The shared cache: what it holds of a URL, what is used most, and purges. */
import { purgeCache, showUrl, topKeys, type PurgeRequest } from "@sticky-proxy/operations";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import { requireRole } from "../access/logins.ts";
import { route, type Route } from "../http/route.ts";
import { anyObject, answerObject, list, object, reason, text } from "./schemas.ts";

interface Purge {
  readonly target: { readonly kind: "url" | "prefix" | "tag" | "service" | "all"; readonly value?: string };
  readonly soft: boolean;
  readonly reason: string;
}

export function cacheRoutes({ cache }: AdminDeps): readonly Route[] {
  return [
    route<{ count: number }>({
      method: "GET",
      path: "/cache",
      role: "viewer",
      operationId: "showCache",
      summary: "How much the cache holds, and its most used keys",
      query: object({ count: { type: "integer", minimum: 1, maximum: 200, default: 50 } }),
      answer: answerObject({ totalBytes: { type: "integer" }, top: list(anyObject) }),
      async run({ query }) {
        const { keys, totalBytes } = await topKeys(cache, query.count);
        return { status: 200, body: { totalBytes, top: keys } };
      },
    }),
    route<unknown, { url: string }>({
      method: "POST",
      path: "/cache\\:explain",
      role: "viewer",
      operationId: "explainUrl",
      summary: "What is stored for a URL and why the last answer was not stored; the URL is in no log",
      body: object({ url: text(8192) }, ["url"]),
      answer: answerObject({ keys: list(anyObject) }),
      problems: ["service-not-found"],
      async run({ body }) {
        const keys = await showUrl(cache, body.url);
        if (keys === null) throw new Problem("service-not-found", { detail: "no service has that URL" });
        return { status: 200, body: { keys } };
      },
    }),
    route<unknown, Purge>({
      method: "POST",
      path: "/cache\\:purge",
      role: "operator",
      operationId: "purgeCache",
      summary: "Takes responses out of the cache, or with soft marks them stale",
      body: object(
        {
          target: object(
            {
              kind: { type: "string", enum: ["url", "prefix", "tag", "service", "all"] },
              value: text(8192),
            },
            ["kind"],
          ),
          soft: { type: "boolean", default: false },
          reason,
        },
        ["target", "reason"],
      ),
      answer: anyObject,
      problems: ["service-not-found", "forbidden", "store-unavailable"],
      audit: ({ body }) => ({
        action: body.soft ? "cache.soft-purge" : "cache.purge",
        target: `${body.target.kind} ${body.target.value ?? ""}`.trim(),
        reason: body.reason,
      }),
      async run({ body, actor }) {
        const { kind } = body.target;
        if (kind === "service" || kind === "all") requireRole(actor, "admin");
        const done = await purgeCache(cache, purgeRequest(body.target), body.soft);
        switch (done.outcome) {
          case "purged":
            return { status: 200, body: { ...done, missing: [] } };
          case "incomplete":
            throw new Problem("store-unavailable", {
              detail: `partitions ${done.missing.join(", ")} did not acknowledge; repeat the purge`,
              extensions: { missing: done.missing },
            });
          case "unknown-url":
            throw new Problem("service-not-found", { detail: "no service has that URL" });
        }
      },
    }),
  ];
}

/** @throws Problem invalid-parameter where the kind needs a value */
function purgeRequest({ kind, value }: Purge["target"]): PurgeRequest {
  if (kind === "all") return { kind: "all" };
  if (value === undefined)
    throw new Problem("invalid-parameter", { detail: `target.value says which ${kind}` });
  switch (kind) {
    case "url":
      return { kind: "url", url: value };
    case "prefix":
      return { kind: "url-prefix", url: value };
    case "tag":
      return { kind: "tag", tag: value };
    case "service":
      return { kind: "service", service: value };
  }
}
