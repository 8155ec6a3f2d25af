/** The operation that finds a process by its idempotency key. */
import { processApiPath } from "@sticky-proxy/protocol";
import { callerProblems, changingProblems, problemResponses } from "./openapi-parts.ts";

export const lookupPaths = {
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
        ...problemResponses(
          ...callerProblems,
          ...changingProblems,
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
