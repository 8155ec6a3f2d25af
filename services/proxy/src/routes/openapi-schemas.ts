/** JSON Schemas (2020-12) of the public surface, by name. */
import { isProblemSlug, problemTypePath, problemTypes, processStatuses } from "@sticky-proxy/protocol";

import { examples } from "./openapi-examples.ts";

type Schema = Readonly<Record<string, unknown>>;

const slugs = Object.keys(problemTypes).filter(isProblemSlug);
const executed = { enum: ["no", "yes", "unknown"], description: "Whether the service ran the work." };
const time = { type: "string", format: "date-time" };
const laterTime = { type: ["string", "null"], format: "date-time" };
const processId = {
  type: "string",
  pattern: "^(0|[1-9][0-9]{0,4})\\.[A-Za-z0-9_-]{22}\\.[1-9a-z][0-9a-z]{0,10}$",
  description: "<partition>.<scope>.<epoch>. Any replica finds the process by it.",
};
const nullableId = { ...processId, type: ["string", "null"] };
const reference = { type: "string", format: "uri-reference" };

const processPhases = ["forwarding", "awaiting-callback", "backing-off"];

const processView: Schema = closed({
  id: processId,
  service: { type: "string" },
  operation: { type: "string", description: 'Method and path, e.g. "POST /reports".' },
  status: { enum: processStatuses },
  phase: {
    enum: [...processPhases, null],
    description: "Inside in-progress; else null.",
  },
  done: { type: "boolean" },
  version: { type: "integer", minimum: 1, description: "Rises with every visible change; also the ETag." },
  createTime: time,
  startTime: laterTime,
  updateTime: time,
  endTime: laterTime,
  expireTime: laterTime,
  attempt: { type: "integer", minimum: 0 },
  maxAttempts: { type: "integer", minimum: 1 },
  nextAttemptTime: laterTime,
  deadlineTime: laterTime,
  heartbeatTime: laterTime,
  progress: { oneOf: [{ $ref: "#/components/schemas/Progress" }, { type: "null" }] },
  cancelRequested: { type: "boolean" },
  outcome: {
    oneOf: [
      closed({ executed, httpStatus: { type: "integer", minimum: 100, maximum: 599 } }),
      closed({ executed, problem: { $ref: "#/components/schemas/Problem" } }),
      { type: "null" },
    ],
    description: "How it ended: with a response of the service, or with a problem.",
  },
  lastError: { oneOf: [{ $ref: "#/components/schemas/Problem" }, { type: "null" }] },
  rerunOf: nullableId,
  supersededBy: nullableId,
  links: closed({ self: reference, result: reference, cancel: reference, rerun: reference }),
});

const problem: Schema = {
  type: "object",
  description: "RFC 9457. Further members, such as `errors`, may follow.",
  required: ["type", "title", "status", "detail", "retryable"],
  properties: {
    type: { enum: slugs.map((slug) => problemTypePath + slug) },
    title: { type: "string" },
    status: { type: "integer", minimum: 400, maximum: 599 },
    detail: { type: "string" },
    instance: {
      ...reference,
      description: "This occurrence: the process where there is one, else the request.",
    },
    executed,
    retryable: { type: "boolean", description: "The same request can succeed later." },
    processId,
    service: { type: "string" },
    requestId: { type: "string" },
    errors: {
      type: "array",
      items: closed({ pointer: { type: "string", format: "json-pointer" }, message: { type: "string" } }),
    },
  },
};

const problemType: Schema = closed({
  type: reference,
  title: { type: "string" },
  status: { type: "integer" },
  executed: { enum: ["no", "yes", "unknown", null] },
  retryable: { type: "boolean" },
  about: { type: "string" },
});

const webhookEvent: Schema = closed({
  type: { enum: ["process.completed", "process.failed", "process.cancelled"] },
  timestamp: time,
  data: closed({
    id: processId,
    service: { type: "string" },
    status: { enum: ["completed", "failed", "cancelled"] },
    executed: { enum: ["no", "yes", "unknown", null] },
    httpStatus: { type: ["integer", "null"] },
    problem: { enum: [...slugs, null] },
    links: closed({ self: reference, result: reference }),
  }),
});

const plainSchemas: Readonly<Record<string, Schema>> = {
  Process: processView,
  ProcessState: closed({
    service: { type: "string" },
    status: { enum: processStatuses },
    phase: { enum: [...processPhases, null] },
    done: { type: "boolean" },
  }),
  Progress: closed({
    percent: { type: ["number", "null"], minimum: 0, maximum: 100 },
    message: { type: ["string", "null"], maxLength: 1024 },
  }),
  Problem: problem,
  ProblemType: problemType,
  Result: optional({
    status: { type: "integer", minimum: 200, maximum: 599, default: 200 },
    headers: {
      type: "object",
      additionalProperties: {
        oneOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
      },
    },
    body: { description: "A string is sent as it is, any other value as JSON." },
  }),
  Failure: {
    type: "object",
    properties: {
      type: reference,
      title: { type: ["string", "null"], maxLength: 256 },
      detail: { type: ["string", "null"], maxLength: 4096 },
      status: { type: ["integer", "null"], minimum: 100, maximum: 599 },
      retryable: { type: "boolean", default: false },
      executed: { ...executed, default: "unknown" },
    },
  },
  Heartbeat: optional({
    progress: {
      oneOf: [
        optional({
          percent: { type: ["number", "null"], minimum: 0, maximum: 100 },
          message: { type: ["string", "null"], maxLength: 1024 },
        }),
        { type: "null" },
      ],
    },
    extendMs: {
      type: ["integer", "null"],
      minimum: 1,
      description: "How much longer to wait for the service.",
    },
  }),
  Acknowledgement: {
    type: "object",
    additionalProperties: false,
    required: ["accepted"],
    properties: {
      accepted: { const: true },
      duplicate: { const: true, description: "It was known already; nothing changed." },
      cancelRequested: { type: "boolean", description: "Nobody wants the work any more." },
    },
  },
  Event: webhookEvent,
};

/** Each with an example that fits it. */
export const schemas: Readonly<Record<string, Schema>> = Object.fromEntries(
  Object.entries(plainSchemas).map(([name, schema]) => [name, { ...schema, examples: [examples[name]] }]),
);

/** An object with exactly these members. */
function closed(properties: Schema): Schema {
  return { ...optional(properties), required: Object.keys(properties) };
}

/** An object with no other members than these. */
function optional(properties: Schema): Schema {
  return { type: "object", additionalProperties: false, properties };
}
