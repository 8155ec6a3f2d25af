/** The configuration in use, redacted, and the API's own description. */
import type { AdminDeps } from "../deps.ts";
import { route, type Route } from "../http/route.ts";
import { openApiDocument } from "./openapi.ts";
import { anyObject, answerObject } from "./schemas.ts";

/** @param routes every other route: the document describes these too */
export function documentRoutes(
  { configText, version }: AdminDeps,
  routes: readonly Route[],
): readonly Route[] {
  const own: Route[] = [
    route({
      method: "GET",
      path: "/config",
      role: "operator",
      operationId: "showConfig",
      summary: "The configuration of this replica without secrets, as YAML",
      answer: answerObject({ yaml: { type: "string" } }),
      run: () => Promise.resolve({ status: 200, body: { yaml: configText() } }),
    }),
    route({
      method: "GET",
      path: "/openapi.json",
      role: "viewer",
      operationId: "showOpenApi",
      summary: "This document",
      answer: anyObject,
      run: () => Promise.resolve({ status: 200, body: document() }),
    }),
  ];
  const document = (): unknown => openApiDocument([...routes, ...own], version);
  return own;
}
