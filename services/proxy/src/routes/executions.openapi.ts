/** The operations of the execution API. */
import {
  executionApiPath,
  problemMediaType,
  resultMediaType,
  type ProblemSlug,
} from "@sticky-proxy/protocol";
import {
  inHeader,
  inPath,
  jsonContent,
  problemResponses,
  processIdParameter,
  type Part,
} from "./openapi-parts.ts";

const token = {
  name: "sticky",
  in: "query",
  description: "The execution token, for services that cannot set header fields; redacted in every log.",
  schema: { type: "string" },
};

const reported: ProblemSlug[] = [
  "csrf-rejected",
  "unauthorized",
  "execution-stale",
  "payload-too-large",
  "unsupported-media-type",
  "malformed-request",
  "malformed-json",
  "validation-failed",
  "store-unavailable",
];

function report(operationId: string, summary: string, content: Part, more: readonly Part[] = []): Part {
  return {
    post: {
      operationId,
      tags: ["executions"],
      summary,
      security: [{ execution: [] }, { signature: [] }],
      parameters: [processIdParameter, token, ...more],
      requestBody: { content },
      responses: {
        "200": {
          description: "It was taken, or was known already.",
          content: jsonContent("Acknowledgement"),
        },
        ...problemResponses(...reported),
      },
    },
  };
}

export const executionPaths = {
  [`${executionApiPath}/{id}/complete`]: report(
    "completeExecution",
    "The work is done: here is its result",
    {
      [resultMediaType]: { schema: { $ref: "#/components/schemas/Result" } },
      "*/*": { schema: {} },
    },
    [
      inHeader("Sticky-Result-Status", "Status of the result, when the body is the result itself.", {
        type: "integer",
        minimum: 200,
        maximum: 599,
        default: 200,
      }),
    ],
  ),
  [`${executionApiPath}/{id}/fail`]: report("failExecution", "The work has failed", {
    [problemMediaType]: { schema: { $ref: "#/components/schemas/Failure" } },
    "application/json": { schema: { $ref: "#/components/schemas/Failure" } },
  }),
  [`${executionApiPath}/{id}/heartbeat`]: report(
    "reportProgress",
    "The work goes on",
    jsonContent("Heartbeat"),
  ),
  "/_sticky/v1/callbacks/{service}": {
    post: {
      operationId: "receiveFixedCallback",
      tags: ["executions"],
      summary: "The webhook of a service that knows one address only; the job's id stands in the payload",
      security: [{ signature: [] }, { sharedToken: [] }],
      parameters: [inPath("service", "Name of the service in the configuration.")],
      requestBody: { required: true, content: { "application/json": { schema: {} } } },
      responses: {
        "200": {
          description: "It was taken, or was known already.",
          content: jsonContent("Acknowledgement"),
        },
        ...problemResponses(...reported),
      },
    },
  },
};
