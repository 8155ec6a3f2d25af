/**
 * Compiles a route's JSON Schema (draft 2020-12) to a check that says what is wrong where. Pure once compiled.
 * `format` is an annotation, as the draft has it by default; references lead inside the schema only.
 */
import { pointerStep, type Json } from "@sticky-proxy/protocol/json";
import type { Service } from "@sticky-proxy/core/registry";
import { Ajv2020, type ErrorObject } from "ajv/dist/2020.js";

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
  const compile = (allErrors: boolean) =>
    new Ajv2020({
      allErrors,
      strict: false,
      ownProperties: true, // a member named "constructor" is no inherited one
      validateFormats: false,
      logger: false,
      code: { regExp: boundedPattern },
    }).compile(schema);
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

/**
 * How backtracking may go wrong: exponentially where a repeated group itself repeats or chooses, and with a back
 * reference; by a power of the text's length with several repetitions. Refuses some harmless patterns, which can be
 * written without the group.
 */
export function patternRisk(source: string): { readonly canExplode: boolean; readonly repeats: number } {
  const groups: { isLoose: boolean }[] = [{ isLoose: false }];
  let closed: { isLoose: boolean } | null = null;
  let repeats = 0;
  for (let i = 0; i < source.length; i += 1) {
    const rest = source.slice(i);
    const group = groups.at(-1)!;
    const before = closed;
    closed = null;
    const repeat = /^(?:[*+]|\{\d+(?:,\d*)?\})/.exec(rest)?.[0];
    if (repeat !== undefined) {
      if (before !== null && before.isLoose) return { canExplode: true, repeats };
      if (!/^\{\d+\}$/.test(repeat)) {
        group.isLoose = true;
        repeats += 1;
      }
      i += repeat.length - 1;
    } else if (source[i] === "\\") {
      if (/^\\(?:[1-9]|k<)/.test(rest)) return { canExplode: true, repeats };
      i += 1;
    } else if (source[i] === "[") {
      const set = /^\[(?:\\.|[^\]\\])*\]/s.exec(rest)?.[0];
      i += (set ?? rest).length - 1;
    } else if (source[i] === "(") {
      groups.push({ isLoose: false });
      i += /^\((?:\?(?:[:=!]|<[=!]|<[^>]*>))?/.exec(rest)![0].length - 1;
    } else if (source[i] === ")" && groups.length > 1) {
      closed = groups.pop()!;
      if (closed.isLoose) groups.at(-1)!.isLoose = true;
    } else if (source[i] === "|" || source[i] === "?") {
      group.isLoose = true;
    }
  }
  return { canExplode: false, repeats };
}
