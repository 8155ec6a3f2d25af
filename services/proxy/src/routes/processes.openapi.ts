/** The operations of the process API. */
import { processApiPath } from "@sticky-proxy/protocol";
import {
  changingProblems,
  inHeader,
  jsonContent,
  ownerSecurity,
  preferParameter,
  problemResponses,
  processHeaders,
  processIdParameter,
  processResponse,
  readingProblems,
  retryAfterHeader,
} from "./openapi-parts.ts";

export const processPaths = {
  [`${processApiPath}/{id}`]: {
    get: {
      operationId: "getProcess",
      tags: ["processes"],
      summary: "The state of a process, in any state; never its result",
      parameters: [
        processIdParameter,
        preferParameter,
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
          headers: { ...processHeaders, ...retryAfterHeader, ETag: { schema: { type: "string" } } },
          content: { ...jsonContent("Process"), "text/event-stream": { schema: { type: "string" } } },
        },
        "304": { description: "Nothing has changed." },
        ...problemResponses(...readingProblems),
      },
    },
    delete: {
      operationId: "forgetProcess",
      tags: ["processes"],
      summary: "Forget a finished process and its result",
      security: ownerSecurity,
      parameters: [processIdParameter, { $ref: "#/components/parameters/Owner" }],
      responses: {
        "204": { description: "It is gone; the same request runs again." },
        ...problemResponses(...readingProblems, ...changingProblems, "process-running"),
      },
    },
  },
  [`${processApiPath}/{id}/result`]: {
    get: {
      operationId: "getResult",
      tags: ["processes"],
      summary: "The service's own answer: status, headers, body",
      parameters: [
        processIdParameter,
        preferParameter,
        inHeader("Range", "A range of the result (RFC 9110 14)."),
      ],
      responses: {
        "202": processResponse("It is still running.", {
          ...retryAfterHeader,
          Location: { schema: { type: "string" } },
        }),
        default: {
          description:
            "The service's response with its own status; a part of it (206), 304, 412, 416; or the problem that the process ended with.",
          headers: processHeaders,
        },
        ...problemResponses(...readingProblems, "process-cancelled"),
      },
    },
  },
  [`${processApiPath}/{id}/cancel`]: {
    post: {
      operationId: "cancelProcess",
      tags: ["processes"],
      summary: "Cancel a process; effective at once, whatever the service still does",
      security: ownerSecurity,
      parameters: [processIdParameter, { $ref: "#/components/parameters/Owner" }],
      responses: {
        "200": processResponse("It is cancelled, by this call or before."),
        ...problemResponses(...readingProblems, ...changingProblems, "process-terminal"),
      },
    },
  },
};
