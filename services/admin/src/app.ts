/** The admin service as a Koa application: API and panel below one base path. */
import { basename } from "node:path";
import Koa from "koa";
import type { Logger } from "@sticky-proxy/runtime";
import type { AdminDeps } from "./deps.ts";
import { apiRouter, type ApiDeps } from "./http/api.ts";
import { problems } from "./http/problems.ts";
import { securityHeaders } from "./http/security-headers.ts";
import type { Route } from "./http/route.ts";
import { createSharedAnswers } from "./http/shared-answers.ts";
import { servePanel, type PanelFiles } from "./panel/serve-panel.ts";
import { bulkRoutes } from "./routes/bulk.ts";
import { cacheRoutes } from "./routes/cache.ts";
import { deadLetterRoutes } from "./routes/dead-letters.ts";
import { documentRoutes } from "./routes/documents.ts";
import { migrationRoutes } from "./routes/migrations.ts";
import { mirrorRoutes } from "./routes/mirror.ts";
import { auditRoutes, tokenRoutes } from "./routes/operators.ts";
import { overviewRoutes } from "./routes/overview.ts";
import { processActRoutes } from "./routes/process-acts.ts";
import { processDetailRoutes } from "./routes/process-detail.ts";
import { processListRoutes } from "./routes/process-list.ts";
import { seriesRoutes } from "./routes/series.ts";
import { serviceRoutes } from "./routes/services.ts";
import { sessionRoutes } from "./routes/session.ts";

export interface AppOptions {
  readonly deps: AdminDeps;
  readonly addressOf: ApiDeps["addressOf"];
  readonly monotonic: () => number;
  readonly logger: Logger;
  /** "" or "/ops/sticky". */
  readonly basePath: string;
  readonly panel: PanelFiles;
}

/** Every route of the API. */
export function adminRoutes(deps: AdminDeps): readonly Route[] {
  const routes = [
    sessionRoutes,
    overviewRoutes,
    processListRoutes,
    processDetailRoutes,
    processActRoutes,
    deadLetterRoutes,
    bulkRoutes,
    cacheRoutes,
    migrationRoutes,
    mirrorRoutes,
    serviceRoutes,
    seriesRoutes,
    auditRoutes,
    tokenRoutes,
  ].flatMap((of) => of(deps));
  return [...routes, ...documentRoutes(deps, routes)];
}

export function createAdminApp(options: AppOptions): Koa {
  const { deps, addressOf, monotonic, logger, basePath, panel } = options;
  const router = apiRouter(adminRoutes(deps), {
    logins: deps.logins,
    audit: deps.audit,
    shared: createSharedAnswers(monotonic),
    addressOf,
  });
  const app = new Koa();
  app.use(problems(logger));
  app.use(securityHeaders());
  if (basePath !== "") app.use(belowBase(basePath));
  app.use(router.routes());
  app.use(servePanel(panel));
  app.on("error", (err: NodeJS.ErrnoException) => {
    if (err.code !== "ECONNRESET" && err.code !== "EPIPE") logger.error("admin.request-unhandled", { err });
  });
  return app;
}

/** Takes the base path off; nothing else is served outside it but a way to it. */
function belowBase(basePath: string): Koa.Middleware {
  return async (context, next) => {
    if (context.path === basePath) return context.redirect(`./${basename(basePath)}/`);
    if (!context.path.startsWith(`${basePath}/`)) return; // 404 by `problems`
    context.path = context.path.slice(basePath.length);
    await next();
  };
}
