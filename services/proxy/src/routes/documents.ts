/** What the problem types mean, for people and programs that follow `type`. */
import Router from "@koa/router";
import { isProblemSlug, Problem, problemTypePath, problemTypes } from "@sticky-proxy/protocol";
import type { Context } from "koa";
import { jsonBody, type Reply } from "../reply.ts";

export function documentRoutes(write: (ctx: Context, reply: Reply) => void): Router {
  const router = new Router();
  router.get(`${problemTypePath}:slug`, async (ctx) => {
    const slug = ctx.params["slug"] ?? "";
    if (!isProblemSlug(slug))
      throw new Problem("service-not-found", { detail: "There is no such problem type." });
    const { status, title, executed, retryable, about } = problemTypes[slug];
    const facts = { type: problemTypePath + slug, title, status, executed, retryable, about };
    write(ctx, {
      status: 200,
      headers: [
        ["Content-Type", "application/json"],
        ["Cache-Control", "public, max-age=3600"],
      ],
      body: jsonBody(facts),
    });
  });
  router.get(problemTypePath.slice(0, -1), async (ctx) => {
    const all = Object.entries(problemTypes).map(([slug, { status, title }]) => ({
      type: problemTypePath + slug,
      status,
      title,
    }));
    write(ctx, { status: 200, headers: [["Content-Type", "application/json"]], body: jsonBody(all) });
  });
  return router;
}
