/**
 * What a body schema may cost, judged by its text alone. Without references a subschema is tried at most once for each
 * value, so the work is bounded by subschemas times values; a reference may lead to the same place by many ways, and
 * to itself. Pure.
 */
import { patternRisk } from "./pattern-risk.ts";

export interface SchemaCost {
  /** Subschemas, as an upper bound: every object of the schema. */
  readonly subschemas: number;
  /** Subschemas times values bound the work. */
  readonly isBounded: boolean;
  /** What makes small bodies expensive, for the operator; empty: nothing known does. */
  readonly warnings: readonly string[];
}

type Schema = Readonly<Record<string, unknown>>;

const references = ["$ref", "$dynamicRef", "$recursiveRef"];
const branching = ["anyOf", "oneOf", "allOf"];
const scalars: ReadonlySet<unknown> = new Set(["string", "number", "integer", "boolean", "null"]);

export function schemaCost(schema: Schema): SchemaCost {
  const warnings: string[] = [];
  let subschemas = 0;
  let hasReference = false;
  let hasSlowPattern = false;
  const branchingReferences: string[] = [];

  function visit(node: unknown, isBranch: boolean): void {
    if (Array.isArray(node)) {
      for (const item of node) visit(item, isBranch);
      return;
    }
    if (!isObject(node)) return;
    subschemas += 1;
    for (const name of references) {
      const target = node[name];
      if (typeof target !== "string") continue;
      hasReference = true;
      if (isBranch) branchingReferences.push(target);
    }
    if (typeof node["pattern"] === "string") hasSlowPattern ||= isSlow(node["pattern"]);
    if (isObject(node["patternProperties"]))
      hasSlowPattern ||= Object.keys(node["patternProperties"]).some(isSlow);
    if (node["uniqueItems"] === true && !isScalarList(node) && node["maxItems"] === undefined)
      warnings.push("uniqueItems over items that are not of a simple type, without maxItems");
    for (const [name, value] of Object.entries(node)) visit(value, isBranch || branching.includes(name));
  }

  visit(schema, false);
  if (branchingReferences.some((target) => leadsBack(schema, target)))
    warnings.push("a reference under anyOf, oneOf or allOf leads back to itself");
  return { subschemas, isBounded: !hasReference && !hasSlowPattern, warnings: [...new Set(warnings)] };
}

function isSlow(pattern: string): boolean {
  const { repeats } = patternRisk(pattern);
  return repeats > 1 || (repeats === 1 && !pattern.startsWith("^"));
}

function isScalarList({ items }: Schema): boolean {
  if (!isObject(items)) return false;
  const { type } = items;
  return Array.isArray(type) ? type.every((one) => scalars.has(one)) : scalars.has(type);
}

/** Whether following references from `target` comes to `target` again; one that cannot be followed here may. */
function leadsBack(schema: Schema, target: string): boolean {
  const seen = new Set<string>();
  const open = [target];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const at = followed(schema, next);
    if (at === undefined) return true;
    for (const found of referencesIn(at)) {
      if (found === target) return true;
      if (seen.has(found)) continue;
      seen.add(found);
      open.push(found);
    }
  }
  return false;
}

function referencesIn(node: unknown): string[] {
  if (Array.isArray(node)) return node.flatMap(referencesIn);
  if (!isObject(node)) return [];
  const own = references.map((name) => node[name]).filter((value) => typeof value === "string");
  return [...own, ...Object.values(node).flatMap(referencesIn)];
}

/** The subschema at "#" or "#/a/pointer"; undefined: an anchor or a mistake. */
function followed(schema: Schema, target: string): unknown {
  if (target === "#") return schema;
  if (!target.startsWith("#/")) return undefined;
  let at: unknown = schema;
  for (const step of target.slice(2).split("/")) {
    const name = decodeURIComponent(step).replaceAll("~1", "/").replaceAll("~0", "~");
    at = isObject(at) || Array.isArray(at) ? (at as Schema)[name] : undefined;
  }
  return at;
}

function isObject(value: unknown): value is Schema {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
