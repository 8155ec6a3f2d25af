/** Operators: the audit of what they did, and their tokens. */
import type { Role } from "@sticky-proxy/core/operators";
import { roles } from "@sticky-proxy/core/operators";
import { createToken, listAudit, listTokens, revokeToken } from "@sticky-proxy/operations";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import { route, type Route } from "../http/route.ts";
import { readSpan } from "../http/spans.ts";
import type { PageQuery } from "../http/pages.ts";
import {
  anyObject,
  answerObject,
  list,
  object,
  pageOf,
  pageSize,
  pageToken,
  reason,
  text,
} from "./schemas.ts";

interface AuditFilter extends PageQuery {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly since?: string;
}

export function auditRoutes({ audit, pages, now }: AdminDeps): readonly Route[] {
  return [
    route<AuditFilter>({
      method: "GET",
      path: "/audit",
      role: "operator",
      operationId: "listAudit",
      summary: "What operators did, newest first",
      query: object({
        actor: text(200),
        action: text(64),
        target: text(300),
        since: { type: "string", maxLength: 30 },
        pageSize,
        pageToken,
      }),
      answer: pageOf(anyObject),
      problems: ["invalid-parameter"],
      async run({ query }) {
        const { cursor, asOf } = pages.open("audit", query, await now());
        const { items, next } = await listAudit(audit, {
          actor: query.actor ?? null,
          action: query.action ?? null,
          target: query.target ?? null,
          since: query.since === undefined ? null : asOf - readSpan(query.since, "since"),
          limit: query.pageSize,
          cursor,
        });
        return {
          status: 200,
          body: {
            items: items.map(({ at, ...entry }) => ({ ...entry, time: new Date(at).toISOString() })),
            nextPageToken: pages.seal("audit", query, next, asOf),
            totalSize: null,
            isEstimate: true,
            asOf: new Date(asOf).toISOString(),
          },
        };
      },
    }),
  ];
}

export function tokenRoutes({ tokens }: AdminDeps): readonly Route[] {
  const times = (token: { readonly createdAt: number; readonly expiresAt: number | null }) => ({
    ...token,
    createTime: new Date(token.createdAt).toISOString(),
    expireTime: token.expiresAt === null ? null : new Date(token.expiresAt).toISOString(),
  });
  return [
    route({
      method: "GET",
      path: "/tokens",
      role: "admin",
      operationId: "listTokens",
      summary: "Operators' tokens, newest first, without what proves them",
      answer: answerObject({ items: list(anyObject) }),
      async run() {
        return { status: 200, body: { items: (await listTokens(tokens)).map(times) } };
      },
    }),
    route<unknown, { name: string; role: Role; expires?: string; reason: string }>({
      method: "POST",
      path: "/tokens",
      role: "admin",
      operationId: "createToken",
      summary: "Makes a token; its secret is shown in this answer only",
      body: object(
        {
          name: text(64),
          role: { type: "string", enum: roles },
          expires: { type: "string", maxLength: 30, description: "90d; absent: until it is revoked" },
          reason,
        },
        ["name", "role", "reason"],
      ),
      answer: anyObject,
      audit: ({ body }) => ({
        action: "token.create",
        target: `${body.role} ${body.name}`,
        reason: body.reason,
      }),
      async run({ body }) {
        const ttlMs = body.expires === undefined ? null : readSpan(body.expires, "expires");
        const { token, secret } = await createToken(tokens, {
          name: body.name,
          role: body.role,
          ttlMs,
          once: false,
        });
        return { status: 201, body: { ...times(token), secret } };
      },
    }),
    route<unknown, { reason: string }>({
      method: "DELETE",
      path: "/tokens/:id",
      role: "admin",
      operationId: "revokeToken",
      summary: "Ends a token and the sessions that were opened with it",
      body: object({ reason }, ["reason"]),
      problems: ["process-not-found"],
      audit: ({ params, body }) => ({ action: "token.revoke", target: params["id"]!, reason: body.reason }),
      async run({ params }) {
        if (!(await revokeToken(tokens, params["id"]!)))
          throw new Problem("process-not-found", { detail: "there is no such token" });
        return { status: 204 };
      },
    }),
  ];
}
