/**
 * Small faults for one source text: each is one edit that a test should notice. Pure: text in, mutants out, in the order
 * of the text. The kinds are those that mutation testing commonly uses: conditions, boundaries, logic, arithmetic,
 * literals, and calls that are left out.
 */
import { parseSync, Visitor } from "oxc-parser";

export interface Mutant {
  readonly line: number;
  /** What stands there, shortened, and what the mutant has instead. */
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

const swapped: Readonly<Record<string, string>> = {
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "===": "!==",
  "!==": "===",
  "==": "!=",
  "!=": "==",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
};

/** A comment `// equivalent: <reason>` at the end of a line takes its mutants out: no test can tell them apart. */
const equivalent = /\/\/ equivalent: \S/;

export function mutantsOf(file: string, text: string): Mutant[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`);
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const lines = text.split("\n");
  const lineAt = (offset: number): number => starts.findLastIndex((start) => start <= offset) + 1;
  const found: (Mutant & { readonly at: number })[] = [];
  const add = (span: Span, to: string): void => {
    const line = lineAt(span.start);
    if (equivalent.test(lines[line - 1]!)) return;
    const from = text.slice(span.start, span.end);
    found.push({
      at: span.start,
      line,
      from: shortened(from),
      to: shortened(to),
      text: text.slice(0, span.start) + to + text.slice(span.end),
    });
  };
  /** `readonly isDone?: true`: a type vanishes before anything runs. */
  const types = new Set<Span>();
  const condition = (test: Span | null): void => {
    if (test === null) return;
    add(test, "true");
    add(test, "false");
  };
  /** The operator between two operands, where only blanks surround it. */
  const operator = (left: Span, right: Span, word: string, to: string): void => {
    const at = text.indexOf(word, left.end);
    if (at >= 0 && at < right.start) add({ start: at, end: at + word.length }, to);
  };
  new Visitor({
    IfStatement: ({ test }) => condition(test),
    ConditionalExpression: ({ test }) => condition(test),
    WhileStatement: ({ test }) => add(test, "false"),
    BinaryExpression: ({ left, right, operator: word }) => {
      const to = swapped[word];
      if (to !== undefined && !isText(left, right, word)) operator(left, right, word, to);
    },
    LogicalExpression: ({ left, right, operator: word }) => {
      if (word === "??") add({ start: left.start, end: right.end }, text.slice(left.start, left.end));
      else operator(left, right, word, word === "&&" ? "||" : "&&");
    },
    UnaryExpression: (node) => {
      if (node.operator === "!") add({ start: node.start, end: node.argument.start }, "");
    },
    TSLiteralType: ({ literal }) => {
      types.add(literal);
    },
    Literal: (node) => {
      if (types.has(node)) return;
      if (typeof node.value === "boolean") add(node, String(!node.value));
      else if (typeof node.value === "number") add(node, String(node.value + 1));
    },
    // A property or an argument that is a word: statuses, kinds, field names.
    Property: ({ value }) => emptied(value),
    CallExpression: ({ arguments: given }) => given.forEach(emptied),
    ReturnStatement: ({ argument }) => argument !== null && emptied(argument),
    ExpressionStatement: (node) => {
      const { type } = node.expression;
      if (type === "CallExpression" || type === "AwaitExpression" || type === "AssignmentExpression")
        add(node, ";");
    },
    ArrayExpression: (node) => {
      if (node.elements.length > 0) add(node, "[]");
    },
    SpreadElement: ({ argument }) => {
      if (argument.type === "ConditionalExpression") condition(argument.test);
    },
  }).visit(program);
  function emptied(value: Span & { readonly type: string; readonly value?: unknown }): void {
    if (value.type === "Literal" && typeof value.value === "string" && value.value !== "") add(value, '""');
  }
  // A condition in a spread is visited twice.
  const seen = new Set<string>();
  return found
    .sort((a, b) => a.at - b.at)
    .filter(({ text: mutated }) => !seen.has(mutated) && seen.add(mutated) !== undefined);
}

/** `a + b` of texts has no minus: the mutant would not be a likely fault. */
function isText(
  left: { type: string; value?: unknown },
  right: { type: string; value?: unknown },
  word: string,
): boolean {
  const text = ({ type, value }: { type: string; value?: unknown }): boolean =>
    type === "TemplateLiteral" || (type === "Literal" && typeof value === "string");
  return word === "+" && (text(left) || text(right));
}

/** Lua, line by line: a statement left out, a comparison turned, a number one higher. The header is never touched. */
export function luaMutantsOf(text: string): Mutant[] {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.includes("]]")) + 1;
  const found: Mutant[] = [];
  lines.forEach((line, i) => {
    if (i < first || /^\s*(--.*)?$/.test(line) || equivalent.test(line.replace("--", "//"))) return;
    const add = (to: string): void => {
      const mutated = lines.with(i, to).join("\n");
      found.push({ line: i + 1, from: shortened(line.trim()), to: shortened(to.trim()), text: mutated });
    };
    if (/^\s*redis\.call\(/.test(line) && line.trimEnd().endsWith(")"))
      add(line.replace(/redis\.call.*/, "do end"));
    for (const [from, to] of luaTurns) {
      const at = line.indexOf(from);
      if (at >= 0) add(line.slice(0, at) + to + line.slice(at + from.length));
    }
    const number = /(?<![\w[.])(\d+)(?![\w\].])/.exec(line);
    if (number !== null)
      add(
        line.slice(0, number.index) +
          String(Number(number[1]) + 1) +
          line.slice(number.index + number[1]!.length),
      );
  });
  return found;
}

const luaTurns: readonly [string, string][] = [
  [" == ", " ~= "],
  [" ~= ", " == "],
  [" <= ", " < "],
  [" >= ", " > "],
  [" < ", " <= "],
  [" > ", " >= "],
  [" and ", " or "],
  [" or ", " and "],
  ["if not ", "if "],
  [" + ", " - "],
];

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}
