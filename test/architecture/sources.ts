// What the architecture test looks at: every source file with its imports and its code without comments.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { functionsOf, type FunctionSpan } from "./functions.ts";

export interface Import {
  /** As written: `node:fs`, `./lease.ts`, `@sticky-proxy/core`, `joi`. */
  readonly specifier: string;
  /** `import type` and `export type` vanish before anything runs. */
  readonly isType: boolean;
  /** `import("…")` loads when it is called. */
  readonly isDynamic: boolean;
}

export interface Source {
  /** From the project's root, with slashes: `packages/core/src/index.ts`. */
  readonly file: string;
  /** The workspace member, or null outside: `core`, `proxy`. */
  readonly member: string | null;
  readonly kind: "package" | "service" | "test";
  readonly isTest: boolean;
  readonly imports: readonly Import[];
  /** The text without comments; strings are kept. */
  readonly code: string;
  readonly lines: number;
  /** Parsed when it is asked for: only the rule about functions needs it. */
  readonly functions: () => readonly FunctionSpan[];
}

export interface Manifest {
  readonly exports?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Every `.ts` and `.tsx` file of packages, services and test. */
export function readSources(root: string): Source[] {
  const folders = ["packages", "services", "test"];
  return folders.flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.tsx?$/.test(name) && !/(^|[/\\])(node_modules|dist)([/\\]|$)/.test(name))
      .map((name) => path.join(folder, name).split(path.sep).join("/"))
      .map((file) => parseSource(file, readFileSync(path.join(root, file), "utf8"))),
  );
}

/** The manifests of packages and services by their short name. */
export function readManifests(root: string): Map<string, Manifest> {
  const manifests = new Map<string, Manifest>();
  for (const parent of ["packages", "services"]) {
    for (const name of readdirSync(path.join(root, parent))) {
      const file = path.join(root, parent, name, "package.json");
      try {
        manifests.set(name, JSON.parse(readFileSync(file, "utf8")) as Manifest);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // a folder still without a manifest
      }
    }
  }
  return manifests;
}

export function parseSource(file: string, text: string): Source {
  const [parent, name = null] = file.split("/");
  const kind = parent === "packages" ? "package" : parent === "services" ? "service" : "test";
  const code = withoutComments(text);
  return {
    file,
    kind,
    member: kind === "test" ? null : name,
    // What tests share stands in a testing.ts; the client's examples run in its tests and nowhere else.
    isTest: kind === "test" || /\.test\.tsx?$|\/testing\.ts$|^packages\/client\/examples\//.test(file),
    imports: importsOf(code),
    code,
    lines: text.trimEnd().split("\n").length,
    functions: once(() => functionsOf(file, text)),
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

/** Drops comments line by line: the formatter puts block comments on lines of their own. */
function withoutComments(text: string): string {
  let isInside = false;
  const kept = text.split("\n").map((line) => {
    const start = line.trimStart();
    if (isInside || start.startsWith("/*")) {
      isInside = !line.includes("*/");
      return isInside ? "" : line.slice(line.indexOf("*/") + 2);
    }
    if (start.startsWith("//")) return "";
    return line.replace(/\s\/\/ .*$/, "");
  });
  return kept.join("\n");
}

function importsOf(code: string): Import[] {
  const statements = code.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[\w*{}\s,$]*?\sfrom\s+)?"([^"\n]+)"|\bimport\("([^"\n]+)"\)/gm,
  );
  return [...statements].map(([, type, named, dynamic]) => ({
    specifier: named ?? dynamic ?? "",
    isType: type !== undefined,
    isDynamic: dynamic !== undefined,
  }));
}
