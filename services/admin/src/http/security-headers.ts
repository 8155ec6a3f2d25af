/** What every answer of the admin service forbids browsers to do with it. */
import type { Middleware } from "koa";

const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'self'; form-action 'self'; frame-ancestors 'none'";

export function securityHeaders(): Middleware {
  return async (context, next) => {
    context.set("Content-Security-Policy", policy);
    context.set("X-Content-Type-Options", "nosniff");
    context.set("Referrer-Policy", "no-referrer");
    context.set("Cross-Origin-Opener-Policy", "same-origin");
    context.set("Cross-Origin-Resource-Policy", "same-origin");
    await next();
    if (context.path.includes("/api/") && !context.response.get("Cache-Control"))
      context.set("Cache-Control", "no-store");
  };
}
