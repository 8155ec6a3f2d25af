/** A service on Koa that takes work from the gateway and reports back, and a webhook endpoint of its client. */

import { buffer } from "node:stream/consumers";
import Koa from "koa";
import { acceptedHeaders, createReceiver, readExecution } from "@sticky-proxy/client/receiver";
import { runReportJob, type ReportOrder } from "./report-job.ts";

export function koaApp(
  secret: string,
  onEvent: (event: unknown) => void,
  onError: (error: unknown) => void,
): Koa {
  const receiver = createReceiver({ secrets: [secret] });
  const app = new Koa();

  app.use(async function reports(ctx, next) {
    if (ctx.path !== "/reports") {
      await next();
      return;
    }
    const execution = readExecution(ctx.headers);
    if (execution === null) return ctx.throw(400, "Call this through the gateway");
    const order = JSON.parse((await buffer(ctx.req)).toString()) as ReportOrder;
    // 202 with the token says: a report will follow.
    ctx.status = 202;
    ctx.set(acceptedHeaders(execution));
    runReportJob(receiver, execution, order).catch(onError);
  });

  app.use(async function webhooks(ctx, next) {
    if (ctx.path !== "/webhooks") {
      await next();
      return;
    }
    const body = await buffer(ctx.req);
    if (!receiver.verify(ctx.headers, body).valid) ctx.throw(401);
    onEvent(JSON.parse(body.toString()));
    ctx.status = 204;
  });

  return app;
}
