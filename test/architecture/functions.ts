// How long each function is, by the syntax tree: a closure counts with all that stands in it.
import { parseSync, Visitor } from "oxc-parser";

export interface FunctionSpan {
  /** As called or assigned; "anonymous" where it has no name. */
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** Every function of a TypeScript file, outer ones first. */
export function functionsOf(file: string, text: string): FunctionSpan[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`);
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const lineAt = (offset: number): number => starts.findLastIndex((start) => start <= offset) + 1;
  const named = new Map<Node, string>();
  const found: FunctionSpan[] = [];
  const add = (node: Node, name: string | undefined): void => {
    const line = lineAt(node.start);
    found.push({ name: name ?? named.get(node) ?? "anonymous", line, lines: lineAt(node.end) - line + 1 });
  };
  new Visitor({
    VariableDeclarator: ({ id, init }) => {
      if (init !== null && id.type === "Identifier") named.set(init, id.name);
    },
    Property: ({ key, value }) => {
      if (key.type === "Identifier") named.set(value, key.name);
    },
    MethodDefinition: ({ key, value }) => {
      if (key.type === "Identifier") named.set(value, key.name);
    },
    FunctionDeclaration: (node) => add(node, node.id?.name),
    FunctionExpression: (node) => add(node, node.id?.name),
    ArrowFunctionExpression: (node) => add(node, undefined),
  }).visit(program);
  return found;
}
