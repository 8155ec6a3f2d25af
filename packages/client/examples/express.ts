/** A service on Express that takes work from the gateway and reports back, and a webhook endpoint of its client. */

import express from "express";
import type { Express } from "express";
import { acceptedHeaders, createReceiver, readExecution } from "@sticky-proxy/client/receiver";
import { runReportJob, type ReportOrder } from "./report-job.ts";

export function expressApp(
  secret: string,
  onEvent: (event: unknown) => void,
  onError: (error: unknown) => void,
): Express {
  const receiver = createReceiver({ secrets: [secret] });
  const app = express();

  app.post("/reports", express.json(), (request, response) => {
    const execution = readExecution(request.headers);
    if (execution === null) {
      response.status(400).json({ title: "Call this through the gateway" });
      return;
    }
    // 202 with the token says: a report will follow.
    response.status(202).set(acceptedHeaders(execution)).end();
    runReportJob(receiver, execution, request.body as ReportOrder).catch(onError);
  });

  // The signature covers the raw bytes, so they must not be parsed.
  app.post("/webhooks", express.raw({ type: () => true }), (request, response) => {
    const body = request.body as Buffer;
    if (!receiver.verify(request.headers, body).valid) {
      response.status(401).end();
      return;
    }
    onEvent(JSON.parse(body.toString()));
    response.status(204).end();
  });

  return app;
}
