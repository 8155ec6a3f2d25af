// Which unit tests try a source's mutants: those of its package that reach it by imports, nearest first; for core's
// decisions also the engine's, which drive them.
import path from "node:path";
import type { Source } from "../architecture/sources.ts";

/** Tests of another member that count as tests of this folder. */
const driven: readonly (readonly [folder: string, tests: string])[] = [
  ["packages/core/src/process/", "packages/engine/src/process/"],
  ["packages/core/src/idempotency/", "packages/engine/src/process/"],
  ["packages/core/src/cache/", "packages/engine/src/cache/"],
];

export function testsOf(file: string, sources: readonly Source[]): string[] {
  const byFile = new Map(sources.map((source) => [source.file, source]));
  const distance = (from: string): number => {
    let ring = [from];
    const seen = new Set(ring);
    for (let steps = 0; ring.length > 0; steps++) {
      if (ring.includes(file)) return steps;
      ring = ring
        .flatMap((at) => relativeImports(byFile.get(at)))
        .filter((at) => !seen.has(at) && seen.add(at));
    }
    return Infinity;
  };
  const home = file.split("/").slice(0, 2).join("/") + "/";
  const own = sources
    .filter(({ file: test }) => test.startsWith(home) && test.endsWith(".test.ts"))
    .map(({ file: test }) => ({ test, steps: distance(test) }))
    .filter(({ steps }) => steps < Infinity)
    .sort((a, b) => a.steps - b.steps)
    .map(({ test }) => test);
  const others = driven
    .filter(([folder]) => file.startsWith(folder))
    .flatMap(([, tests]) =>
      sources
        .map(({ file: test }) => test)
        .filter((test) => test.startsWith(tests) && test.endsWith(".test.ts")),
    );
  return [...own, ...others];
}

function relativeImports(source: Source | undefined): string[] {
  return (source?.imports ?? [])
    .filter(({ specifier, isType }) => specifier.startsWith(".") && !isType)
    .map(({ specifier }) => path.posix.join(path.posix.dirname(source!.file), specifier));
}
