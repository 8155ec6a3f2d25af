/** GET /health; POST /health {"up": false} makes it fail. */
import Router from "@koa/router";
import { DemoError, readObject } from "./body.ts";

export function health(): Router {
  let up = true;
  const router = new Router();

  router.get("/health", (ctx) => {
    ctx.status = up ? 200 : 503;
    ctx.set("Cache-Control", "no-store");
    ctx.body = { up };
  });

  router.post("/health", async (ctx) => {
    const body = await readObject(ctx);
    if (typeof body.up !== "boolean") throw new DemoError(422, "up must be true or false");
    up = body.up;
    ctx.body = { up };
  });
  return router;
}
