/** Checks queries and bodies by the schemas of their route. Nothing that a schema does not name is let in. */
import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import { Problem } from "@sticky-proxy/protocol";
import type { Route, Schema } from "./route.ts";

export interface InputCheck {
  query(given: Readonly<Record<string, unknown>>): unknown;
  body(given: unknown): unknown;
}

/** Compiles the route's schemas once. The functions throw Problem invalid-parameter, naming the member. */
export function inputCheck(route: Route): InputCheck {
  const forQuery = compile(route.query ?? nothing, true);
  const forBody = route.body === undefined ? null : compile(route.body, false);
  return {
    query(given) {
      const repeated = Object.entries(given).find(([, value]) => Array.isArray(value));
      if (repeated !== undefined)
        throw new Problem("invalid-parameter", { detail: `${repeated[0]} is given twice` });
      const query: unknown = { ...given };
      if (!forQuery(query)) throw invalid(forQuery.errors, "query");
      return query;
    },
    body(given) {
      if (forBody === null) return undefined;
      if (!forBody(given)) throw invalid(forBody.errors, "body");
      return given;
    },
  };
}

const nothing: Schema = { type: "object", properties: {}, additionalProperties: false };

function compile(schema: Schema, coerceTypes: boolean): ValidateFunction {
  return new Ajv2020({ strict: true, coerceTypes, useDefaults: true, allErrors: false }).compile(schema);
}

function invalid(errors: readonly ErrorObject[] | null | undefined, where: "query" | "body"): Problem {
  const { instancePath, message = "is not valid", params } = errors![0]!;
  const name = instancePath.slice(1).replaceAll("/", ".");
  const unknown = (params as { additionalProperty?: unknown }).additionalProperty;
  const detail =
    typeof unknown === "string"
      ? `the ${where} has no member "${unknown}"`
      : `${name === "" ? `the ${where}` : name} ${message}`;
  return new Problem("invalid-parameter", { detail });
}
