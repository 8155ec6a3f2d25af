/** The operations of the public surface: process API, execution API, documents. */
import {
  executionApiPath,
  problemMediaType,
  problemTypePath,
  processApiPath,
  resultMediaType,
  type ProblemSlug,
  problemTypes,
} from "@sticky-proxy/protocol";

type Part = Readonly<Record<string, unknown>>;

const inPath = (name: string, description: string): Part => ({
  name,
  in: "path",
  required: true,
  description,
  schema: { type: "string" },
});
const inHeader = (name: string, description: string, schema: Part = { type: "string" }): Part => ({
  name,
  in: "header",
  description,
  schema,
});
const id = inPath("id", "The process id: Sticky-Process-Id of the submission's answer.");
const prefer = inHeader("Prefer", "`wait=N`: hold the call up to N seconds (at most 60).");
const token = {
  name: "sticky",
  in: "query",
  description: "The execution token, for services that cannot set header fields; redacted in every log.",
  schema: { type: "string" },
};

const json = (schema: string): Part => ({
  "application/json": { schema: { $ref: `#/components/schemas/${schema}` } },
});
const processFields = {
  "Sticky-Process-Id": { $ref: "#/components/headers/ProcessId" },
  "Sticky-Process-Status": { $ref: "#/components/headers/ProcessStatus" },
  "Sticky-Source": { $ref: "#/components/headers/Source" },
  "Idempotent-Replayed": { $ref: "#/components/headers/Replayed" },
};
const aProcess = (description: string, more: Part = {}): Part => ({
  description,
  headers: { ...processFields, ETag: { schema: { type: "string" } }, ...more },
  content: json("Process"),
});

/** Responses by status, one for all problems of a status. */
function problems(...found: ProblemSlug[]): Part {
  const byStatus = Map.groupBy(found, (slug) => String(problemTypes[slug].status));
  return Object.fromEntries(
    [...byStatus].map(([status, of]) => [
      status,
      {
        description: of.map((slug) => `\`${slug}\`: ${problemTypes[slug].about}`).join(" "),
        content: { [problemMediaType]: { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    ]),
  );
}

const reading: ProblemSlug[] = ["process-not-found", "process-expired", "store-unavailable"];
const retryAfter = { "Retry-After": { schema: { type: "integer" }, description: "Seconds." } };

const processPaths = {
  [`${processApiPath}/{id}`]: {
    get: {
      operationId: "getProcess",
      tags: ["processes"],
      summary: "The state of a process, in any state; never its result",
      parameters: [
        id,
        prefer,
        inHeader(
          "If-None-Match",
          "An ETag: 304 while nothing has changed, with `Prefer: wait=N` a long poll.",
        ),
        inHeader("Last-Event-ID", "Of an event stream that broke: the last version seen."),
      ],
      responses: {
        "200": {
          description:
            "The process; or, for `Accept: text/event-stream`, one event for each change until its end.",
          headers: { ...processFields, ...retryAfter, ETag: { schema: { type: "string" } } },
          content: { ...json("Process"), "text/event-stream": { schema: { type: "string" } } },
        },
        "304": { description: "Nothing has changed." },
        ...problems(...reading),
      },
    },
    delete: {
      operationId: "forgetProcess",
      tags: ["processes"],
      summary: "Forget a finished process and its result",
      parameters: [id],
      responses: {
        "204": { description: "It is gone; the same request runs again." },
        ...problems(...reading, "process-running"),
      },
    },
  },
  [`${processApiPath}/{id}/result`]: {
    get: {
      operationId: "getResult",
      tags: ["processes"],
      summary: "The service's own answer: status, headers, body",
      parameters: [id, prefer, inHeader("Range", "A range of the result (RFC 9110 14).")],
      responses: {
        "202": aProcess("It is still running.", { ...retryAfter, Location: { schema: { type: "string" } } }),
        default: {
          description:
            "The service's response with its own status; a part of it (206), 304, 412, 416; or the problem that the process ended with.",
          headers: processFields,
        },
        ...problems("process-not-found", "process-expired", "process-cancelled", "store-unavailable"),
      },
    },
  },
  [`${processApiPath}/{id}/cancel`]: {
    post: {
      operationId: "cancelProcess",
      tags: ["processes"],
      summary: "Cancel a process; effective at once, whatever the service still does",
      parameters: [id, { $ref: "#/components/parameters/Owner" }],
      responses: {
        "200": aProcess("It is cancelled, by this call or before."),
        ...problems(...reading, "process-terminal", "forbidden"),
      },
    },
  },
  [`${processApiPath}/{id}/rerun`]: {
    post: {
      operationId: "rerunProcess",
      tags: ["processes"],
      summary: "Run the stored request again, as a new process",
      parameters: [
        id,
        { $ref: "#/components/parameters/Owner" },
        { $ref: "#/components/parameters/IdempotencyKey" },
      ],
      requestBody: {
        content: {
          "application/json": {
            schema: {
              type: "object",
              additionalProperties: false,
              properties: { cancelRunning: { type: "boolean", default: false } },
            },
          },
        },
      },
      responses: {
        "202": aProcess("The new process.", { ...retryAfter, Location: { schema: { type: "string" } } }),
        ...problems(
          ...reading,
          "process-running",
          "forbidden",
          "idempotency-key-invalid",
          "idempotency-key-reused",
          "malformed-json",
          "unsupported-media-type",
          "validation-failed",
        ),
      },
    },
  },
  [`${processApiPath}:lookup`]: {
    post: {
      operationId: "lookupProcess",
      tags: ["processes"],
      summary: "The process of an idempotency key, which stays out of access logs",
      requestBody: {
        required: true,
        content: {
          "application/json": {
            schema: {
              type: "object",
              required: ["service", "idempotencyKey"],
              properties: { service: { type: "string" }, idempotencyKey: { type: "string" } },
            },
          },
        },
      },
      responses: {
        "200": {
          description:
            "The current process of the key, for its owner; of one that was begun without any credential only its state.",
          content: {
            "application/json": {
              schema: {
                anyOf: [
                  { $ref: "#/components/schemas/Process" },
                  { $ref: "#/components/schemas/ProcessState" },
                ],
              },
            },
          },
        },
        ...problems(
          "process-not-found",
          "malformed-json",
          "unsupported-media-type",
          "validation-failed",
          "idempotency-key-invalid",
          "store-unavailable",
        ),
      },
    },
  },
};

const reported: ProblemSlug[] = [
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
      parameters: [id, token, ...more],
      requestBody: { content },
      responses: {
        "200": { description: "It was taken, or was known already.", content: json("Acknowledgement") },
        ...problems(...reported),
      },
    },
  };
}

const executionPaths = {
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
  [`${executionApiPath}/{id}/heartbeat`]: report("reportProgress", "The work goes on", json("Heartbeat")),
  "/_sticky/v1/callbacks/{service}": {
    post: {
      operationId: "receiveFixedCallback",
      tags: ["executions"],
      summary: "The webhook of a service that knows one address only; the job's id stands in the payload",
      security: [{ signature: [] }, { sharedToken: [] }],
      parameters: [inPath("service", "Name of the service in the configuration.")],
      requestBody: { required: true, content: { "application/json": { schema: {} } } },
      responses: {
        "200": { description: "It was taken, or was known already.", content: json("Acknowledgement") },
        ...problems(...reported),
      },
    },
  },
};

const documentPaths = {
  [problemTypePath.slice(0, -1)]: {
    get: {
      operationId: "listProblemTypes",
      tags: ["documents"],
      summary: "Every problem type",
      responses: {
        "200": {
          description: "Type, status and title of each.",
          content: {
            "application/json": {
              schema: {
                type: "array",
                items: {
                  type: "object",
                  required: ["type", "status", "title"],
                  properties: {
                    type: { type: "string" },
                    status: { type: "integer" },
                    title: { type: "string" },
                  },
                },
              },
            },
          },
        },
      },
    },
  },
  [`${problemTypePath}{slug}`]: {
    get: {
      operationId: "getProblemType",
      tags: ["documents"],
      summary: "What a problem type means",
      parameters: [inPath("slug", "The last segment of a problem's `type`.")],
      responses: {
        "200": { description: "The problem type.", content: json("ProblemType") },
        ...problems("service-not-found"),
      },
    },
  },
  "/_sticky/openapi.json": {
    get: {
      operationId: "getOpenApi",
      tags: ["documents"],
      summary: "This document",
      responses: { "200": { description: "OpenAPI 3.1.", content: { "application/json": { schema: {} } } } },
    },
  },
};

export const paths: Readonly<Record<string, Part>> = { ...processPaths, ...executionPaths, ...documentPaths };
