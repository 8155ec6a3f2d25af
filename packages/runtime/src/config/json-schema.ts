/**
 * The configuration's schema as a JSON Schema (2020-12), for editors: completion, the meaning of each entry, mistakes
 * underlined. Made from the same tree as the check itself; relations between entries are the check's alone.
 */
import { schema } from "./schema.ts";

type JsonSchema = { readonly [name: string]: unknown };

/** The part of joi's description that is read here. */
interface Description {
  readonly type?: string;
  readonly keys?: Readonly<Record<string, Description>>;
  readonly patterns?: readonly { readonly rule: Description; readonly regex?: string }[];
  readonly items?: readonly Description[];
  readonly matches?: readonly {
    readonly then?: Description;
    readonly otherwise?: Description;
    readonly schema?: Description;
  }[];
  readonly rules?: readonly { readonly name: string; readonly args?: { readonly limit?: unknown } }[];
  readonly allow?: readonly unknown[];
  readonly flags?: {
    readonly default?: unknown;
    readonly description?: string;
    readonly presence?: string;
    readonly only?: boolean;
    readonly unknown?: boolean;
  };
}

/** `# yaml-language-server: $schema=…` names a copy of it. */
export function configJsonSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "sticky.yaml",
    ...shapeOf(schema.describe() as Description),
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

function shapeOf(node: Description): JsonSchema {
  const { description, default: initial } = node.flags ?? {};
  const isPlain =
    initial !== undefined && !(typeof initial === "object" && initial !== null && "special" in initial);
  return {
    ...(description === undefined ? {} : { description }),
    ...(isPlain ? { default: initial } : {}),
    ...withNull(node, kindOf(node)),
  };
}

/** null stands for "none" where the schema allows it. */
function withNull({ allow, flags }: Description, kind: JsonSchema): JsonSchema {
  return flags?.only !== true && allow?.includes(null) === true ? { anyOf: [kind, { type: "null" }] } : kind;
}

function kindOf(node: Description): JsonSchema {
  const limit = (name: string): unknown => node.rules?.find((rule) => rule.name === name)?.args?.limit;
  const bounds = (min: string, max: string): JsonSchema => ({
    ...(limit("min") === undefined ? {} : { [min]: limit("min") }),
    ...(limit("max") === undefined ? {} : { [max]: limit("max") }),
  });
  if (node.flags?.only === true)
    return { enum: (node.allow ?? []).filter((word) => word === null || typeof word !== "object") };
  switch (node.type) {
    case "number":
      return {
        type: node.rules?.some(({ name }) => name === "integer") === true ? "integer" : "number",
        ...bounds("minimum", "maximum"),
      };
    case "string":
      return { anyOf: [{ type: "string", ...bounds("minLength", "maxLength") }, { $ref: "#/$defs/secret" }] };
    case "boolean":
      return { type: "boolean" };
    case "array":
      return {
        type: "array",
        ...(node.items?.[0] === undefined ? {} : { items: shapeOf(node.items[0]) }),
        ...bounds("minItems", "maxItems"),
      };
    case "alternatives":
      return { anyOf: branchesOf(node).map(shapeOf) };
    case "object":
      return mappingOf(node);
    default:
      return {};
  }
}

function branchesOf({ matches }: Description): Description[] {
  return (matches ?? [])
    .flatMap(({ then, otherwise, schema: one }) => [then, otherwise, one])
    .filter((branch) => branch !== undefined);
}

function mappingOf({ keys = {}, patterns = [] }: Description): JsonSchema {
  const required = Object.keys(keys).filter((name) => keys[name]!.flags?.presence === "required");
  return {
    type: "object",
    properties: Object.fromEntries(Object.entries(keys).map(([name, child]) => [name, shapeOf(child)])),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: patterns[0] === undefined ? false : shapeOf(patterns[0].rule),
  };
}
