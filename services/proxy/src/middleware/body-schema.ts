/**
 * Compiles a route's JSON Schema (draft 2020-12) to a check that says what is wrong where. Pure once compiled.
 * `format` is an annotation, as the draft has it by default; references lead inside the schema only.
 */
import { pointerStep, type Json } from "@sticky-proxy/protocol/json";
import type { Service } from "@sticky-proxy/core/registry";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";
import { patternRisk } from "./pattern-risk.ts";
import { schemaCost } from "./schema-cost.ts";

export interface SchemaFault {
  /** RFC 6901, into the body. */
  readonly pointer: string;
  readonly message: string;
}

/** The faults of a body; empty: it matches. `isSmall`: look for all of them, else the first one ends the search. */
export type BodyCheck = (value: Json, isSmall: boolean) => readonly SchemaFault[];

const maxFaults = 32;
/** Longer strings match no pattern of several repetitions: backtracking over them would not be bounded. */
const maxMatched = 1024;

/** @throws Error whose message says what is wrong with the schema */
export function compileBodySchema(schema: Readonly<Record<string, unknown>>): BodyCheck {
  const compile = (allErrors: boolean) => {
    const ajv = new Ajv2020({
      allErrors,
      strict: false,
      ownProperties: true, // a member named "constructor" is no inherited one
      validateFormats: false,
      logger: false,
      code: { regExp: boundedPattern },
    });
    // Its own one compares every item with every other.
    ajv.removeKeyword("uniqueItems");
    ajv.addKeyword({
      keyword: "uniqueItems",
      type: "array",
      schemaType: "boolean",
      error: { message: "must NOT have duplicate items" },
      validate: (isWanted: boolean, items: readonly Json[]) => !isWanted || areUnique(items),
    });
    return ajv.compile(schema);
  };
  const first = compile(false);
  const all = compile(true);
  return function check(value, isSmall) {
    const validate = isSmall ? all : first;
    if (validate(value)) return [];
    return (validate.errors ?? []).slice(0, maxFaults).map(faultOf);
  };
}

/** Routes whose schema cannot be compiled, as errors of the configuration: "path: what is wrong". */
export function brokenSchemas(services: readonly Service[]): string[] {
  return services.flatMap(({ name, routes }) =>
    routes.flatMap(({ bodySchema }, i) => {
      if (bodySchema === null) return [];
      try {
        compileBodySchema(bodySchema);
        return [];
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return [`services.${name}.routes.${i}.bodySchema: ${why}`];
      }
    }),
  );
}

/** Routes whose schema makes small bodies expensive: "path: why". They are validated within the time limit all the same. */
export function costlySchemas(services: readonly Service[]): string[] {
  return services.flatMap(({ name, routes }) =>
    routes.flatMap(({ bodySchema }, i) =>
      bodySchema === null
        ? []
        : schemaCost(bodySchema).warnings.map(
            (why) =>
              `services.${name}.routes.${i}.bodySchema: ${why}: a small body may need the whole of limits.validationMs`,
          ),
    ),
  );
}

function areUnique(items: readonly Json[]): boolean {
  const seen = new Set<string>();
  for (const item of items) seen.add(comparable(item));
  return seen.size === items.length;
}

/** One text for one JSON value (RFC 8259): members in one order. */
function comparable(value: Json): string {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(comparable).join(",")}]`;
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${comparable(member)}`,
  );
  return `{${members.toSorted().join(",")}}`;
}

/** Names the member that is missing or too much, not the object around it. */
function faultOf({ keyword, instancePath, params, message }: ErrorObject): SchemaFault {
  const named = params as { missingProperty?: string; additionalProperty?: string };
  if (keyword === "required" && named.missingProperty !== undefined) {
    return { pointer: below(instancePath, named.missingProperty), message: "is missing" };
  }
  if (keyword === "additionalProperties" && named.additionalProperty !== undefined) {
    return { pointer: below(instancePath, named.additionalProperty), message: "is not allowed" };
  }
  return { pointer: instancePath, message: message ?? "is not valid" };
}

function below(pointer: string, name: string): string {
  return pointer + pointerStep(name);
}

interface Pattern {
  test(text: string): boolean;
  toString(): string;
}

function boundedPattern(source: string, flags: string): Pattern {
  const { canExplode, repeats } = patternRisk(source);
  if (canExplode) {
    throw new Error(
      `the pattern ${source} repeats a group that itself repeats or chooses: clients could stall the gateway`,
    );
  }
  const pattern = new RegExp(source, flags);
  const isLinear = repeats === 0 || (repeats === 1 && source.startsWith("^"));
  return {
    test: (text) => (isLinear || text.length <= maxMatched) && pattern.test(text),
    toString: () => pattern.toString(), // Ajv takes patterns of the same text for the same one
  };
}
boundedPattern.code = "boundedPattern"; // for generated source text, which is not used here
