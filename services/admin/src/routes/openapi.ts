/** The OpenAPI 3.1 document of the admin API, made from its routes: a route that is not in it cannot be served. */
import { apiPath } from "../http/api-path.ts";
import type { Route, Schema } from "../http/route.ts";

const everywhere = ["unauthorized", "forbidden", "store-unavailable"] as const;

export function openApiDocument(routes: readonly Route[], version: string): Schema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const one of routes) (paths[pathOf(one)] ??= {})[one.method.toLowerCase()] = operationOf(one);
  return {
    openapi: "3.1.0",
    info: { title: "sticky-proxy admin API", version },
    servers: [{ url: `.${apiPath}` }],
    security: [{ bearer: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "A token: sticky-proxy token create" },
        session: { type: "apiKey", in: "cookie", name: "__Host-sticky-admin" },
      },
      schemas: {
        Problem: {
          type: "object",
          required: ["type", "title", "status"],
          properties: {
            type: { type: "string" },
            title: { type: "string" },
            status: { type: "integer" },
            detail: { type: "string" },
            requestId: { type: "string" },
          },
        },
      },
    },
  };
}

/** `/processes/:id\\:cancel` as `/processes/{id}:cancel`. */
function pathOf({ path }: Route): string {
  return path.replaceAll(/(?<!\\):([a-z]+)/g, "{$1}").replaceAll("\\:", ":");
}

function operationOf(route: Route): Schema {
  const problems = [...(route.role === null ? [] : everywhere), ...(route.problems ?? [])];
  return {
    operationId: route.operationId,
    summary: route.summary,
    ...(route.role === null ? { security: [] } : { "x-role": route.role }),
    parameters: [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)],
    ...(route.body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: route.body } } } }),
    responses: {
      "2XX": {
        description: "Done.",
        ...(route.answer === undefined ? {} : { content: { "application/json": { schema: route.answer } } }),
      },
      default: {
        description: `A problem: ${[...new Set([...problems, "invalid-parameter"])].join(", ")}.`,
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

function pathParameters({ path }: Route): Schema[] {
  return [...path.matchAll(/(?<!\\):([a-z]+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
}

function queryParameters({ query }: Route): Schema[] {
  const properties = (query?.["properties"] ?? {}) as Readonly<Record<string, Schema>>;
  const required = (query?.["required"] ?? []) as readonly string[];
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
}

/** Acts may name the version that the caller saw. */
function headerParameters({ audit, method }: Route): Schema[] {
  return audit === undefined || method === "GET"
    ? []
    : [{ name: "If-Match", in: "header", required: false, schema: { type: "string", pattern: '^"v\\d+"$' } }];
}
