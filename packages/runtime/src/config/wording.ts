/** What is said about a value that the schema refuses: in the words of YAML and of the reference, not of JavaScript. */
import type { ValidationErrorItem } from "joi";
import type { ConfigError } from "./relations.ts";

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
  ["services.origin.routes.0.cache.profile", "--cache-profile"],
  ["services.origin.routes.0.cache.defaultTtlMs", "--ttl"],
]);

export function configErrors(details: readonly ValidationErrorItem[], isQuickForm: boolean): ConfigError[] {
  return (
    details
      // YAML has no holes: this one is a secret that was not found, which has been said.
      .filter(({ type }) => type !== "array.sparse")
      .map(({ path, type, message }) => {
        const at = path.join(".");
        const isName = path.length === 2 && (path[0] === "services" || path[0] === "webhooks");
        if (type === "object.unknown" && isName)
          return { path: at, message: "a name here is lower-case letters, digits and dashes" };
        return { path: (isQuickForm ? flagOf.get(at) : undefined) ?? at, message };
      })
  );
}
