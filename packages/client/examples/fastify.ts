/** A service on Fastify that takes work from the gateway and reports back, and a webhook endpoint of its client. */

import fastify from "fastify";
import type { FastifyInstance } from "fastify";
import { acceptedHeaders, createReceiver, readExecution } from "@sticky-proxy/client/receiver";
import { runReportJob, type ReportOrder } from "./report-job.ts";

export function fastifyApp(
  secret: string,
  onEvent: (event: unknown) => void,
  onError: (error: unknown) => void,
): FastifyInstance {
  const receiver = createReceiver({ secrets: [secret] });
  const app = fastify();

  app.post("/reports", async (request, reply) => {
    const execution = readExecution(request.headers);
    if (execution === null) return reply.code(400).send({ title: "Call this through the gateway" });
    runReportJob(receiver, execution, request.body as ReportOrder).catch(onError);
    // 202 with the token says: a report will follow.
    return reply.code(202).headers(acceptedHeaders(execution)).send();
  });

  void app.register(async function webhooks(scope) {
    // The signature covers the raw bytes, so this scope parses nothing.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
    scope.post("/webhooks", async (request, reply) => {
      const body = request.body as Buffer;
      if (!receiver.verify(request.headers, body).valid) return reply.code(401).send();
      onEvent(JSON.parse(body.toString()));
      return reply.code(204).send();
    });
  });

  return app;
}
