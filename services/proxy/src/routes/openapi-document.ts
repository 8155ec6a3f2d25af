/**
 * The OpenAPI 3.1 document of the public surface, put together from the operations beside each route. The data plane is described in words only: its paths are the
 * services' own.
 */
import { processStatuses } from "@sticky-proxy/protocol";
import { version } from "@sticky-proxy/runtime";
import { documentPaths } from "./documents.openapi.ts";
import { executionPaths } from "./executions.openapi.ts";
import { lookupPaths } from "./lookup.openapi.ts";
import { processPaths } from "./processes.openapi.ts";
import { rerunPaths } from "./rerun.openapi.ts";
import { schemas } from "./openapi-schemas.ts";

const dataPlane = `Requests to \`/<service>/…\` go to that service. On routes that make a process, clients may send
\`Idempotency-Key\`, \`Prefer\` (\`respond-async\`, \`wait=N\`), \`Sticky-On-Duplicate\`, \`Sticky-Force\`,
\`Sticky-Deadline\` and \`Sticky-Callback\`; the answer is the service's own, or 202 with the process and its
\`Location\`. Errors of the gateway are problems (RFC 9457).`;

export function openApiDocument(): Readonly<Record<string, unknown>> {
  return {
    openapi: "3.1.0",
    info: {
      title: "sticky-proxy",
      version: version(),
      description: dataPlane,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    // Clients prove who they are only where the configuration has an authentication.
    security: [{}, { caller: [] }],
    tags: [
      { name: "processes", description: "For clients: any replica answers for any process." },
      { name: "executions", description: "For services: how the work stands. Any replica takes it." },
      { name: "documents", description: "For all." },
    ],
    paths: {
      ...processPaths,
      ...rerunPaths,
      ...lookupPaths,
      ...executionPaths,
      ...documentPaths,
    },
    webhooks: {
      processEnded: {
        post: {
          operationId: "processEnded",
          summary: "Sent to the endpoint that Sticky-Callback named, at least once, under one webhook-id",
          security: [{ signature: [] }],
          requestBody: {
            required: true,
            content: { "application/json": { schema: { $ref: "#/components/schemas/Event" } } },
          },
          responses: {
            "2XX": { description: "Taken." },
            "410": { description: "The endpoint is gone; nothing is sent again." },
            default: { description: "Sent again by the schedule; Retry-After is honoured." },
          },
        },
      },
    },
    components: {
      schemas,
      headers: {
        ProcessId: { description: "The process that this reply is about.", schema: { type: "string" } },
        ProcessStatus: { description: "Its status.", schema: { enum: processStatuses } },
        Source: {
          description: "Whose words the body is: the service's, kept or first-hand, or the gateway's.",
          schema: { enum: ["service", "store", "gateway"] },
        },
        Replayed: { description: "The answer was there already.", schema: { enum: ["true", "false"] } },
      },
      parameters: {
        IdempotencyKey: {
          name: "Idempotency-Key",
          in: "header",
          description: "1 to 255 printable ASCII characters, quoted or not; `X-Idempotency-Key` is the same.",
          schema: { type: "string" },
        },
        Owner: {
          name: "Sticky-Owner",
          in: "header",
          description:
            "As the submission's own reply carried it; the same credential as the submission's does as well.",
          schema: { type: "string" },
        },
      },
      securitySchemes: {
        caller: {
          type: "http",
          scheme: "bearer",
          description: "An API key or a token, by the methods under `authentication` of the configuration.",
        },
        owner: {
          type: "apiKey",
          in: "header",
          name: "Sticky-Owner",
          description: "As the submission's own reply carried it.",
        },
        execution: {
          type: "apiKey",
          in: "header",
          name: "Sticky-Execution",
          description: "The token that the service got with the attempt.",
        },
        signature: {
          type: "apiKey",
          in: "header",
          name: "webhook-signature",
          description: "Standard Webhooks: with webhook-id and webhook-timestamp, over the raw bytes.",
        },
        sharedToken: { type: "http", scheme: "bearer", description: "callbackAuth.sharedToken." },
      },
    },
  };
}
