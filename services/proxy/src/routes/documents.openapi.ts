/** The operations of the documents: the problem types and this description itself. */
import { problemTypePath } from "@sticky-proxy/protocol";
import { inPath, jsonContent, problemResponses } from "./openapi-parts.ts";

export const documentPaths = {
  [problemTypePath.slice(0, -1)]: {
    get: {
      operationId: "listProblemTypes",
      tags: ["documents"],
      security: [],
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
      security: [],
      summary: "What a problem type means",
      parameters: [inPath("slug", "The last segment of a problem's `type`.")],
      responses: {
        "200": { description: "The problem type.", content: jsonContent("ProblemType") },
        ...problemResponses("service-not-found"),
      },
    },
  },
  "/_sticky/openapi.json": {
    get: {
      operationId: "getOpenApi",
      tags: ["documents"],
      security: [],
      summary: "This document",
      responses: { "200": { description: "OpenAPI 3.1.", content: { "application/json": { schema: {} } } } },
    },
  },
};
