/** Serves the routes of the admin API: login, role, input, audit, then the route itself. */
import { randomUUID } from "node:crypto";
import Router, { type RouterContext } from "@koa/router";
import type { Audit } from "@sticky-proxy/core/operators";
import { audited } from "@sticky-proxy/operations";
import { Problem } from "@sticky-proxy/protocol";
import { refuseForeign, requireRole, type Logins } from "../access/logins.ts";
import { apiPath } from "./api-path.ts";
import { inputCheck, type InputCheck } from "./check-input.ts";
import { isUnchanged, weakTag } from "./etag.ts";
import { readJson } from "./read-json.ts";
import type { Answer, Call, Route } from "./route.ts";
import type { SharedAnswers } from "./shared-answers.ts";

export interface ApiDeps {
  readonly logins: Logins;
  readonly audit: Audit;
  readonly shared: SharedAnswers;
  /** The client's address, from trusted proxies' fields where there are any. */
  readonly addressOf: (context: RouterContext) => string;
}

export function apiRouter(routes: readonly Route[], deps: ApiDeps): Router {
  const router = new Router({ prefix: apiPath });
  for (const one of routes) {
    const check = inputCheck(one);
    router.register(one.path, [one.method], async (context) => {
      const call = await callOf(context, one, check, deps);
      write(context, await answerTo(one, call, context, deps));
    });
  }
  return router;
}

/** Who asks, what for: checked in this order, so that a stranger learns nothing about parameters. */
async function callOf(
  context: RouterContext,
  route: Route,
  check: InputCheck,
  { logins, addressOf }: ApiDeps,
): Promise<Call<unknown, unknown>> {
  const address = addressOf(context);
  const actor =
    route.role === null
      ? { name: "", role: "viewer" as const, source: "api" as const, address }
      : await logins.actorOf(context.req, address);
  if (route.role === null) {
    if (route.method !== "GET") refuseForeign(context.req);
  } else requireRole(actor, route.role);
  return {
    params: context["params"] as Record<string, string>,
    query: check.query(context.query),
    body: check.body(route.body === undefined ? undefined : await readJson(context.req)),
    actor,
    version: versionOf(context.get("if-match")),
    requestId: requestIdOf(context.get("x-request-id")),
    request: context.req,
  };
}

async function answerTo(
  route: Route,
  call: Call<unknown, unknown>,
  context: RouterContext,
  { audit, shared }: ApiDeps,
): Promise<Answer> {
  if (route.audit !== undefined) {
    shared.clear();
    const { name: actor, ...who } = call.actor;
    const start = { ...route.audit(call), ...who, actor, requestId: call.requestId };
    const answer = await audited(audit, start, () => route.run(call), resultOf);
    shared.clear();
    return answer;
  }
  if (route.method !== "GET" || route.answer === undefined || route.role === null) return route.run(call);
  return shared.get(`${call.actor.role} ${call.actor.name} ${context.url}`, () => route.run(call));
}

function resultOf(outcome: { readonly value: Answer } | { readonly err: unknown }): string {
  if ("value" in outcome) return `done ${outcome.value.status}`;
  return outcome.err instanceof Problem ? outcome.err.slug : "failed";
}

function write(context: RouterContext, answer: Answer): void {
  context.status = answer.status;
  for (const [name, value] of Object.entries(answer.headers ?? {})) context.set(name, value);
  if ("stream" in answer) {
    context.body = answer.stream;
    return;
  }
  if (answer.body === undefined) {
    context.body = null;
    context.status = answer.status; // Koa takes a null body for 204
    return;
  }
  const tag = weakTag(answer.body);
  if (context.method === "GET") {
    context.set("ETag", tag);
    if (isUnchanged(context.get("if-none-match"), tag)) {
      context.status = 304;
      return;
    }
  }
  context.type = "application/json";
  context.body = JSON.stringify(answer.body);
}

/** `"v7"` as 7; null: absent. @throws Problem invalid-parameter for another form */
function versionOf(ifMatch: string): number | null {
  if (ifMatch === "") return null;
  const digits = /^"v(\d{1,15})"$/.exec(ifMatch)?.[1];
  if (digits === undefined)
    throw new Problem("invalid-parameter", { detail: 'If-Match must be "v<version>"' });
  return Number(digits);
}

function requestIdOf(given: string): string {
  return /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : randomUUID();
}
