/** The gateway's own description, for programs. */
import Router from "@koa/router";
import type { Context } from "koa";
import { openApiDocument } from "./openapi-document.ts";
import { jsonBody, type Reply } from "../reply.ts";

export function openApiRoute(write: (ctx: Context, reply: Reply) => void): Router {
  const router = new Router();
  const body = jsonBody(openApiDocument());
  router.get("/_sticky/openapi.json", async (ctx) => {
    write(ctx, {
      status: 200,
      headers: [
        ["Content-Type", "application/json"],
        ["Cache-Control", "public, max-age=300"],
      ],
      body,
    });
  });
  return router;
}
