/**
 * sticky.yaml as plain data. Refused: tags, aliases and merge keys (a bomb of aliases is a few lines long),
 * duplicate keys, more than one document, depth over 64, and names that joi would drop without a word
 * (`__proto__`, measured on Joi 18).
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document } from "yaml";

export type YamlResult = {
  /** null: nothing to validate (empty, or the text cannot be read at all). */
  readonly value: Readonly<Record<string, unknown>> | null;
  readonly errors: readonly YamlError[];
  /** The line, from 1, of the entry at a path, or of the nearest entry around it; null: the file has neither. */
  readonly lineOf: (path: readonly string[]) => number | null;
};

export interface YamlError {
  /** From 1; null: the file as a whole. */
  readonly line: number | null;
  readonly message: string;
}

export const maxYamlBytes = 1024 * 1024;
const maxDepth = 64;
const forbiddenNames: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

/** Reads YAML 1.2 (core schema). Duplicate keys do not hide what else is wrong. */
export function parseYaml(text: string): YamlResult {
  if (Buffer.byteLength(text) > maxYamlBytes)
    return failed([{ line: null, message: `the file is larger than ${maxYamlBytes} bytes` }]);
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
  const errors: YamlError[] = [];
  const line = (offset: number | undefined): number | null =>
    offset === undefined ? null : lines.linePos(offset).line;
  const add = (at: number | null, message: string): void => {
    if (!errors.some((known) => known.line === at && known.message === message))
      errors.push({ line: at, message });
  };

  let readable = true;
  for (const error of doc.errors) {
    add(line(error.pos[0]), firstLine(error.message));
    if (error.code !== "DUPLICATE_KEY") readable = false;
  }

  visit(doc, {
    Node(_key, node, path) {
      const where = line(node.range?.[0]);
      if (isAlias(node)) {
        add(where, "aliases are not allowed");
        readable = false;
        return undefined;
      }
      if (node.tag !== undefined) {
        add(where, `tags are not allowed (${node.tag})`);
        readable = false;
      }
      if (path.filter((step) => isMap(step) || isSeq(step)).length > maxDepth) {
        add(where, `nested deeper than ${maxDepth}`);
        readable = false;
        return visit.BREAK;
      }
      return undefined;
    },
    Pair(_key, pair) {
      if (isScalar(pair.key) && typeof pair.key.value === "string") {
        if (forbiddenNames.has(pair.key.value)) {
          add(line(pair.key.range?.[0]), `the name ${pair.key.value} is not allowed`);
          readable = false;
        }
      } else if (!isScalar(pair.key)) {
        add(null, "a key must be a plain word");
        readable = false;
      }
    },
  });
  if (!readable) return failed(errors);

  const value: unknown = doc.toJS({ maxAliasCount: 0 });
  if (value === null || value === undefined) return failed(errors);
  if (typeof value !== "object" || Array.isArray(value))
    return failed([...errors, { line: 1, message: "the document must be a mapping" }]);
  return {
    value: value as Record<string, unknown>,
    errors,
    lineOf: (path) => line(offsetOf(doc, path)),
  };
}

function failed(errors: readonly YamlError[]): YamlResult {
  return { value: null, errors, lineOf: () => null };
}

/** Where the key (in a list: the item) at `path` begins, or the last one on the way that stands there. */
function offsetOf(doc: Document, path: readonly string[]): number | undefined {
  let node: unknown = doc.contents;
  let offset: number | undefined;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.findLast(({ key }) => isScalar(key) && String(key.value) === step);
      if (pair === undefined) return offset;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      const range = (node as { range?: [number, number, number] } | null | undefined)?.range;
      offset = range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}

function firstLine(text: string): string {
  const end = text.indexOf("\n");
  return end === -1 ? text : text.slice(0, end);
}
