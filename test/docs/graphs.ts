/** Diagrams of ARCHITECTURE.md, drawn from the imports that stand in the code. `npm run fix` writes them. */
import path from "node:path";
import { readSources, type Source } from "../architecture/sources.ts";

const root = path.join(import.meta.dirname, "../..");
const workspace = "@sticky-proxy/";

/** Who imports whom: member -> members, of production code only. */
export function packageImports(sources: readonly Source[]): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const { member, isTest, imports } of sources) {
    if (member === null || isTest) continue;
    const targets = graph.get(member) ?? new Set<string>();
    graph.set(member, targets);
    for (const { specifier } of imports) {
      const target: string = specifier.startsWith(workspace)
        ? specifier.slice(workspace.length).split("/")[0]!
        : member;
      if (target !== member) targets.add(target);
    }
  }
  return graph;
}

/** The graph without arrows that follow from others: `a -> c` is left out where `a -> b -> c` stands. */
export function withoutImplied(graph: ReadonlyMap<string, ReadonlySet<string>>): Map<string, string[]> {
  const reaches = (from: string, to: string): boolean =>
    [...(graph.get(from) ?? [])].some((next) => next === to || reaches(next, to));
  return new Map(
    [...graph].map(([from, targets]) => [
      from,
      [...targets].filter((to) => ![...targets].some((other) => other !== to && reaches(other, to))).sort(),
    ]),
  );
}

/** Members as rooms, services above packages; an arrow is an import. */
export function packageGraph(): string {
  const sources = readSources(root);
  const services = new Set(sources.filter(({ kind }) => kind === "service").map(({ member }) => member!));
  const arrows = withoutImplied(packageImports(sources));
  const members = [...arrows.keys()].filter((name) => name !== "testkit").sort();
  return mermaid("flowchart TD", [
    "subgraph services",
    ...members.filter((name) => services.has(name)).map((name) => `  ${name}([${name}])`),
    "end",
    ...members.flatMap((from) => arrows.get(from)!.map((to) => `${from} --> ${to}`)),
  ]);
}

/**
 * The chain of the proxy in its order, each step with the packages that its file reaches by its own imports inside
 * the service (protocol, core/http and core/registry, which every step knows, are left out).
 */
export function requestGraph(): string {
  const sources = readSources(root).filter(({ member, isTest }) => member === "proxy" && !isTest);
  const files = new Map(sources.map((source) => [source.file, source]));
  const app = files.get("services/proxy/src/app.ts")!;
  const start = app.code.indexOf("const chain");
  const chain = app.code.slice(start, app.code.indexOf("new Koa", start));
  const steps = app.imports
    .map(({ specifier }) => path.posix.join("services/proxy/src", specifier))
    .filter((file) => file.startsWith("services/proxy/src/middleware/"))
    .map((file) => ({ file, name: path.posix.basename(file, ".ts"), at: placeIn(chain, app.code, file) }))
    .filter(({ at }) => at >= 0)
    .sort((a, b) => a.at - b.at);
  const rooms = steps.map(({ name }) => name);
  return mermaid("flowchart LR", [
    "client([client]) --> " + rooms.join(" --> "),
    ...steps.flatMap(({ name, file }) =>
      packagesOf(file, files).map((target) => `${name} -.-> ${label(target)}`),
    ),
  ]);
}

/** Where the step that `file` exports is called in the chain; -1: nowhere. */
function placeIn(chain: string, code: string, file: string): number {
  const specifier = `./${path.posix.relative("services/proxy/src", file)}`;
  const statement = code.split(";").find((text) => text.includes(`"${specifier}"`)) ?? "";
  const names = [...statement.matchAll(/\b(?!import|from|type)([a-zA-Z]+)\b(?=[^"]*\})/g)].map(
    ([, name]) => name!,
  );
  const places = names.map((name) => chain.search(new RegExp(`\\b${name}\\(`))).filter((at) => at >= 0);
  return Math.min(...places, Infinity) === Infinity ? -1 : Math.min(...places);
}

const everywhere = new Set(["protocol", "core/http", "core/registry"]);

/** Packages (core by feature) whose values `file` or a file of the service that it imports uses. */
function packagesOf(file: string, files: ReadonlyMap<string, Source>): string[] {
  const seen = new Set<string>();
  const found = new Set<string>();
  const visit = (at: string): void => {
    if (seen.has(at) || at.endsWith("/main.ts")) return;
    seen.add(at);
    for (const { specifier, isType } of files.get(at)?.imports ?? []) {
      if (isType) continue;
      if (specifier.startsWith(".")) visit(path.posix.join(path.posix.dirname(at), specifier));
      else if (specifier.startsWith(workspace)) found.add(specifier.slice(workspace.length));
    }
  };
  visit(file);
  return [...found].filter((name) => !everywhere.has(name) && !name.startsWith("protocol/")).sort();
}

const label = (name: string): string => `${name.replaceAll("/", "_")}[${name}]`;

function mermaid(kind: string, lines: readonly string[]): string {
  return ["```mermaid", kind, ...lines.map((line) => `  ${line}`), "```"].join("\n");
}
