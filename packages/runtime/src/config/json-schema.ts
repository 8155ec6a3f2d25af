/**
 * The configuration's schema as a JSON Schema (2020-12), for editors: completion, the meaning of each entry, mistakes
 * underlined. Made from the same tree as the check itself; relations between entries are the check's alone.
 */
import { branchesOf, plainDefault, schemaTree, type SchemaNode } from "./schema-tree.ts";

type JsonSchema = { readonly [name: string]: unknown };

/** `# yaml-language-server: $schema=…` names a copy of it. */
export function configJsonSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "sticky.yaml",
    ...shapeOf(schemaTree()),
    $defs: {
      secret: {
        description: "The value of an environment variable.",
        type: "object",
        properties: { env: { type: "string", pattern: "^STICKY_SECRET_[A-Z0-9_]{1,100}$" } },
        required: ["env"],
        additionalProperties: false,
      },
    },
  };
}

function shapeOf(node: SchemaNode): JsonSchema {
  const description = node.flags?.description;
  const initial = plainDefault(node);
  return {
    ...(description === undefined ? {} : { description }),
    ...(initial === undefined ? {} : { default: initial }),
    ...withNull(node, kindOf(node)),
  };
}

/** null stands for "none" where the schema allows it. */
function withNull({ allow, flags }: SchemaNode, kind: JsonSchema): JsonSchema {
  return flags?.only !== true && allow?.includes(null) === true ? { anyOf: [kind, { type: "null" }] } : kind;
}

function kindOf(node: SchemaNode): JsonSchema {
  if (node.flags?.only === true)
    return { enum: (node.allow ?? []).filter((word) => word === null || typeof word !== "object") };
  switch (node.type) {
    case "number":
      return {
        type: node.rules?.some(({ name }) => name === "integer") === true ? "integer" : "number",
        ...bounds(node, "minimum", "maximum"),
      };
    case "string":
      return {
        anyOf: [{ type: "string", ...bounds(node, "minLength", "maxLength") }, { $ref: "#/$defs/secret" }],
      };
    case "boolean":
      return { type: "boolean" };
    case "array":
      return {
        type: "array",
        ...(node.items?.[0] === undefined ? {} : { items: shapeOf(node.items[0]) }),
        ...bounds(node, "minItems", "maxItems"),
      };
    case "alternatives":
      return { anyOf: branchesOf(node).map(shapeOf) };
    case "object":
      return mappingOf(node);
    default:
      return {};
  }
}

function mappingOf(node: SchemaNode): JsonSchema {
  const { keys = {}, patterns = [], flags } = node;
  const required = Object.keys(keys).filter((name) => keys[name]!.flags?.presence === "required");
  const [pattern] = patterns;
  return {
    type: "object",
    properties: Object.fromEntries(Object.entries(keys).map(([name, child]) => [name, shapeOf(child)])),
    ...(required.length === 0 ? {} : { required }),
    ...(pattern?.regex === undefined ? {} : { propertyNames: { pattern: pattern.regex.slice(1, -1) } }),
    ...bounds(node, "minProperties", "maxProperties"),
    additionalProperties: pattern === undefined ? flags?.unknown === true : shapeOf(pattern.rule),
  };
}

/** joi's min, max and length as the two keywords that JSON Schema has for this kind of value. */
function bounds({ rules = [] }: SchemaNode, lower: string, upper: string): JsonSchema {
  const limit = (name: string): unknown => rules.find((rule) => rule.name === name)?.args?.limit;
  const min = limit("length") ?? limit("min");
  const max = limit("length") ?? limit("max");
  return { ...(min === undefined ? {} : { [lower]: min }), ...(max === undefined ? {} : { [upper]: max }) };
}
