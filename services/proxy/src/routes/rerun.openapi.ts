/** The operation that runs a stored request again. */
import { processApiPath } from "@sticky-proxy/protocol";
import {
  changingProblems,
  ownerSecurity,
  problemResponses,
  processIdParameter,
  processResponse,
  readingProblems,
  retryAfterHeader,
} from "./openapi-parts.ts";

export const rerunPaths = {
  [`${processApiPath}/{id}/rerun`]: {
    post: {
      operationId: "rerunProcess",
      tags: ["processes"],
      summary: "Run the stored request again, as a new process",
      security: ownerSecurity,
      parameters: [
        processIdParameter,
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
        "202": processResponse("The new process.", {
          ...retryAfterHeader,
          Location: { schema: { type: "string" } },
        }),
        ...problemResponses(
          ...readingProblems,
          ...changingProblems,
          "process-running",
          "idempotency-key-invalid",
          "idempotency-key-reused",
          "malformed-json",
          "unsupported-media-type",
          "validation-failed",
        ),
      },
    },
  },
};
