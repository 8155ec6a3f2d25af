/** What is said about a value that the schema refuses: in the words of YAML and of the reference, not of JavaScript. */
import type { ValidationErrorItem } from "joi";
import type { ConfigError } from "./relations.ts";
import { branchesOf, schemaTree, type SchemaNode } from "./schema-tree.ts";
import { didYouMean } from "./suggest.ts";

/** Joi's templates, by error code. */
export const wording: Readonly<Record<string, string>> = {
  "object.base": "must be a mapping",
  "array.base": "must be a list",
  "array.min": "must hold at least {#limit}",
  "array.max": "must hold at most {#limit}",
  "string.base": "must be text",
  "string.empty": "must not be empty",
  "string.max": "must have at most {#limit} characters",
  "number.integer": "must be a whole number",
  "number.min": "must be at least {#limit}",
  "number.max": "must be at most {#limit}",
  "boolean.base": "must be true or false",
};

/** Where users wrote it, when a quick form made the configuration. */
const flagOf: ReadonlyMap<string, string> = new Map([
  ["services.origin.instances.0", "--origin"],
  ["services.mirror.instances.0", "--mirror"],
  ["services.origin.routes.1.cache.profile", "--cache-profile"],
  ["services.origin.routes.1.cache.defaultTtlMs", "--ttl"],
]);

export function configErrors(details: readonly ValidationErrorItem[], isQuickForm: boolean): ConfigError[] {
  return details.map(({ path, type, message, context }) => {
    const at = path.join(".");
    const isName = path.length === 2 && (path[0] === "services" || path[0] === "webhooks");
    if (type === "object.unknown" && isName)
      return { path: at, message: "a name here is lower-case letters, digits and dashes" };
    if (type === "object.unknown")
      return { path: at, message: message + didYouMean(String(path.at(-1)), namesAt(path.slice(0, -1))) };
    if (type === "any.only" && typeof context?.value === "string") {
      const words = ((context.valids ?? []) as unknown[]).filter((word) => typeof word === "string");
      return { path: shown(at, isQuickForm), message: message + didYouMean(context.value, words) };
    }
    return { path: shown(at, isQuickForm), message };
  });
}

function shown(at: string, isQuickForm: boolean): string {
  return (isQuickForm ? flagOf.get(at) : undefined) ?? at;
}

/** The names that the schema knows in the mapping at a path. */
function namesAt(path: readonly (string | number)[]): string[] {
  let at: SchemaNode[] = [schemaTree()];
  for (const step of path) at = at.flatMap(alternatives).flatMap((each) => below(each, step));
  return at.flatMap(alternatives).flatMap(({ keys }) => Object.keys(keys ?? {}));
}

function alternatives(each: SchemaNode): SchemaNode[] {
  return [each, ...branchesOf(each).flatMap(alternatives)];
}

function below({ keys, patterns, items }: SchemaNode, step: string | number): SchemaNode[] {
  if (typeof step === "number") return [...(items ?? [])];
  const named = keys !== undefined && Object.hasOwn(keys, step) ? keys[step] : undefined;
  return named === undefined ? (patterns ?? []).map(({ rule }) => rule) : [named];
}
