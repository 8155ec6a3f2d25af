/** The schema as rows, for the tables in README.md and CONFIGURATION.md, which a test compares with it. */
import { branchesOf, isFromParts, schemaTree, type SchemaNode } from "./schema-tree.ts";

export interface ConfigRow {
  /** "services.<name>.routes[].process.waitMs" */
  readonly path: string;
  /** "integer (ms)", "one of: a, b", "list of text" … */
  readonly type: string;
  /** As one would write it; "required" when there is none. */
  readonly initial: string;
  readonly about: string;
}

/** One row per entry, in the schema's order. */
export function describeConfig(): ConfigRow[] {
  const rows: ConfigRow[] = [];
  walk("", schemaTree(), rows);
  return rows;
}

/** Sections of the reference: each row stands in the longest one that begins its path; "" is the node itself. */
const sections: readonly string[] = [
  "",
  "limits",
  "redis",
  "cache",
  "webhooks",
  "services.<name>",
  "services.<name>.routes[]",
  "services.<name>.routes[].process",
  "services.<name>.routes[].process.callback",
  "services.<name>.routes[].cache",
  "services.<name>.routes[].mirror",
];

/** Every row as Markdown: a heading and a table per section, in the schema's order. */
export function configReference(): string {
  const rows = describeConfig();
  const blocks = sections.map((section) => {
    const inside = rows.filter(({ path }) => sectionOf(path) === section && path !== section);
    const names = inside.map((row) => ({
      ...row,
      path: row.path.slice(section === "" ? 0 : section.length + 1),
    }));
    const itself = rows.find(({ path }) => path === section);
    const heading = section === "" ? "### The node" : `### \`${section}\``;
    const initial = itself?.initial === "see below" ? "" : ` Default: ${itself?.initial}.`;
    const about = itself === undefined ? [] : [`${itself.about}${initial}`, ""];
    return [heading, "", ...about, configTable(names)].join("\n");
  });
  return blocks.join("\n\n");
}

/** Rows as a Markdown table. */
export function configTable(rows: readonly ConfigRow[]): string {
  // What stands outside of code would be taken for tags and emphasis.
  const cell = (text: string): string =>
    text.replaceAll(/`[^`]*`|[|<*]/g, (part) => (part.length > 1 ? part : `\\${part}`));
  const lines = rows.map(
    ({ path, type, initial, about }) => `| \`${path}\` | ${cell(type)} | ${cell(initial)} | ${cell(about)} |`,
  );
  return ["| entry | type | default | meaning |", "|---|---|---|---|", ...lines].join("\n");
}

function sectionOf(path: string): string {
  const within = sections.filter((section) => path === section || path.startsWith(`${section}.`));
  return within.reduce((longest, section) => (section.length > longest.length ? section : longest), "");
}

function walk(path: string, node: SchemaNode, rows: ConfigRow[]): void {
  if (path !== "" && node.flags?.description !== undefined)
    rows.push({ path, type: typeOf(node), initial: initialOf(node), about: node.flags.description });
  for (const [key, child] of Object.entries(node.keys ?? {}))
    walk(path === "" ? key : `${path}.${key}`, child, rows);
  for (const { rule } of node.patterns ?? []) {
    const placeholder = rule.type === "object" ? "<name>" : null;
    if (placeholder !== null) walkInside(`${path}.${placeholder}`, rule, rows);
  }
  for (const item of node.items ?? []) walkInside(`${path}[]`, item, rows);
  for (const match of node.matches ?? [])
    if (match.then?.keys !== undefined) walkInside(path, match.then, rows);
}

/** The parts of a nested shape, without a row for the shape itself. */
function walkInside(path: string, node: SchemaNode, rows: ConfigRow[]): void {
  const { description: _own, ...flags } = node.flags ?? {};
  walk(path, { ...node, flags }, rows);
}

function typeOf(node: SchemaNode): string {
  const { flags } = node;
  const words = (node.allow ?? []).filter((word) => word !== null && word !== "" && typeof word !== "object");
  if (flags?.only === true) return `one of: ${words.map(String).join(", ")}`;
  switch (node.type) {
    case "number": {
      const kind = node.rules?.some(({ name }) => name === "integer") ? "integer" : "number";
      return flags?.unit === undefined ? kind : `${kind} (${flags.unit})`;
    }
    case "string":
      return "text";
    case "boolean":
      return "true or false";
    case "array":
      return `list of ${typeOf(node.items?.[0] ?? node)}`;
    case "alternatives":
      return branchesOf(node).map(typeOf).join(", or ");
    default:
      return "mapping";
  }
}

function initialOf(node: SchemaNode): string {
  const { flags } = node;
  const inWords = node.metas?.find(({ defaultText }) => defaultText !== undefined)?.defaultText;
  if (inWords !== undefined) return inWords;
  if (flags?.presence === "required") return "required";
  const initial = flags?.default;
  if (initial === undefined) return "none";
  if (isFromParts(initial)) return "see below";
  return JSON.stringify(initial);
}
