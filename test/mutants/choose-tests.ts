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
  const home = file.split("/").slice(0, 2).join("/") + "/";
  const own = importersOf(file, sources).filter((at) => at.startsWith(home) && at.endsWith(".test.ts"));
  const others = driven
    .filter(([folder]) => file.startsWith(folder))
    .flatMap(([, tests]) =>
      sources
        .map(({ file: test }) => test)
        .filter((test) => test.startsWith(tests) && test.endsWith(".test.ts")),
    );
  return [...own, ...others];
}

/** What imports the file, directly or not, nearest first. */
function importersOf(file: string, sources: readonly Source[]): readonly string[] {
  const importers = new Map<string, string[]>();
  for (const source of sources)
    for (const { specifier, isType } of source.imports) {
      if (!specifier.startsWith(".") || isType) continue;
      const imported = path.posix.join(path.posix.dirname(source.file), specifier);
      importers.set(imported, [...(importers.get(imported) ?? []), source.file]);
    }
  const found = new Set([file]);
  for (const each of found) for (const importer of importers.get(each) ?? []) found.add(importer);
  return [...found];
}
