/** The demo service: all its parts on one port. Its data is in memory; a restart loses it. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import Koa from "koa";
import { DemoError } from "./body.ts";
import { callbackJob } from "./callback-job.ts";
import { catalogue } from "./catalogue.ts";
import { flakyJob } from "./flaky-job.ts";
import { health } from "./health.ts";
import { defaultOptions, type DemoOptions } from "./instance.ts";
import { payments } from "./payments.ts";
import { slowJob } from "./slow-job.ts";
import { users } from "./users.ts";

export interface Demo {
  readonly port: number;
  readonly url: string;
  /** Aborts running jobs and closes open connections. */
  close(): Promise<void>;
}

/** @param port 0: any free port. Rejects when the address is in use. */
export async function startDemo(
  { port, host = "127.0.0.1" }: { readonly port: number; readonly host?: string },
  options: Partial<DemoOptions> = {},
): Promise<Demo> {
  const closing = new AbortController();
  const app = createApp({ ...defaultOptions, ...options }, closing.signal);
  const answer = app.callback();
  const server = createServer((req, res) => void answer(req, res));
  const bound = await listen(server, port, host);
  return {
    port: bound,
    url: `http://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        closing.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function createApp(options: DemoOptions, closing: AbortSignal): Koa {
  const app = new Koa();
  // A connection that a request asked to cut is not an error to log.
  app.silent = true;
  app.use(async function name(ctx, next) {
    ctx.set("X-Demo-Instance", options.name);
    await next();
  });
  app.use(async function errors(ctx, next) {
    try {
      await next();
      if (ctx.status === 404 && ctx.body === undefined && ctx.respond !== false)
        throw new DemoError(404, "there is nothing here");
    } catch (error) {
      if (!(error instanceof DemoError)) throw error;
      ctx.status = error.status;
      ctx.body = { error: error.message, ...error.members };
    }
  });
  const parts = [
    health(),
    payments(),
    slowJob(options.name, closing),
    flakyJob(),
    callbackJob(options, closing),
    catalogue(Date.now()),
    users(options),
  ];
  for (const part of parts) app.use(part.routes());
  return app;
}

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}
