/**
 * sticky.yaml as plain data. Refused: tags, aliases and merge keys (a bomb of aliases is a few lines long),
 * duplicate keys, more than one document, depth over 64, and names that joi would drop without a word
 * (`__proto__`, measured on Joi 18).
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";

export type YamlResult = {
  /** null: nothing to validate (empty, or the text cannot be read at all). */
  readonly value: Readonly<Record<string, unknown>> | null;
  readonly errors: readonly string[];
};

export const maxYamlBytes = 1024 * 1024;
const maxDepth = 64;
const forbiddenNames: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** Reads YAML 1.2 (core schema). Errors name the line; duplicate keys do not hide what else is wrong. */
export function parseYaml(text: string): YamlResult {
  if (Buffer.byteLength(text) > maxYamlBytes)
    return { value: null, errors: [`the file is larger than ${maxYamlBytes} bytes`] };
  const lines = new LineCounter();
  const doc = parseDocument(text, {
    version: "1.2",
    schema: "core",
    customTags: null,
    merge: false,
    uniqueKeys: true,
    prettyErrors: false,
    logLevel: "error",
    lineCounter: lines,
  });
  const errors: string[] = [];
  const line = (offset: number | undefined): string =>
    offset === undefined ? "yaml" : `yaml line ${lines.linePos(offset).line}`;

  let readable = true;
  for (const error of doc.errors) {
    errors.push(`${line(error.pos[0])}: ${firstLine(error.message)}`);
    if (error.code !== "DUPLICATE_KEY") readable = false;
  }

  visit(doc, {
    Node(_key, node, path) {
      const where = line(node.range?.[0]);
      if (isAlias(node)) {
        errors.push(`${where}: aliases are not allowed`);
        readable = false;
        return undefined;
      }
      if (node.tag !== undefined) {
        errors.push(`${where}: tags are not allowed (${node.tag})`);
        readable = false;
      }
      if (path.filter((step) => isMap(step) || isSeq(step)).length > maxDepth) {
        errors.push(`${where}: nested deeper than ${maxDepth}`);
        readable = false;
        return visit.BREAK;
      }
      return undefined;
    },
    Pair(_key, pair) {
      if (isScalar(pair.key) && typeof pair.key.value === "string") {
        if (forbiddenNames.has(pair.key.value)) {
          errors.push(`${line(pair.key.range?.[0])}: the name ${pair.key.value} is not allowed`);
          readable = false;
        }
      } else if (!isScalar(pair.key)) {
        errors.push("yaml: a key must be a plain word");
        readable = false;
      }
    },
  });
  if (!readable) return { value: null, errors: [...new Set(errors)] };

  const value: unknown = doc.toJS({ maxAliasCount: 0 });
  if (value === null || value === undefined) return { value: null, errors };
  if (typeof value !== "object" || Array.isArray(value))
    return { value: null, errors: [...errors, "yaml: the document must be a mapping"] };
  return { value: value as Record<string, unknown>, errors };
}

function firstLine(text: string): string {
  const end = text.indexOf("\n");
  return end === -1 ? text : text.slice(0, end);
}
