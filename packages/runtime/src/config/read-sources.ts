/** The only place that reads configuration from the outside: the file, and secrets kept in files. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { options, secretName, type FlagValue, type Sources } from "./sources.ts";

export type ReadResult =
  | { readonly ok: true; readonly sources: Sources }
  | { readonly ok: false; readonly errors: readonly string[] };

/**
 * `NAME_FILE` gives the content of that file as `NAME`, for every variable the gateway knows.
 * The node's default name holds a random part: a restarted container must not look like its predecessor.
 */
export function readSources(
  flags: Readonly<Record<string, FlagValue | undefined>>,
  env: Readonly<Record<string, string | undefined>>,
  role: NonNullable<Sources["role"]> = "all",
): ReadResult {
  const errors: string[] = [];
  const known = new Set(options.map((option) => option.env));
  const filled: Record<string, string | undefined> = { ...env };
  for (const [variable, path] of Object.entries(env)) {
    const name = variable.endsWith("_FILE") ? variable.slice(0, -5) : null;
    if (name === null || path === undefined || path === "" || !(known.has(name) || secretName.test(name)))
      continue;
    if (env[name] !== undefined && env[name] !== "")
      errors.push(`${variable}: ${name} is set too; give one of the two`);
    else filled[name] = readText(path, variable, errors)?.trimEnd();
  }
  const given = flags.config ?? (filled.STICKY_CONFIG === "" ? undefined : filled.STICKY_CONFIG);
  const source = flags.config === undefined ? "STICKY_CONFIG" : "--config";
  const yaml = typeof given === "string" ? readText(given, source, errors) : null;
  if (errors.length > 0) return { ok: false, errors };
  const host = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, "-")
    .replace(/^[.-]+/, "")
    .slice(0, 50);
  const node = `${host || "node"}-${randomBytes(4).toString("hex")}`;
  const file = typeof given === "string" ? { file: given } : {};
  return { ok: true, sources: { yaml, ...file, env: filled, flags, node, role } };
}

const reasons: ReadonlyMap<string, string> = new Map([
  ["ENOENT", "there is no such file"],
  ["EISDIR", "it is a folder"],
  ["EACCES", "this user may not read it"],
  ["ERR_ENCODING_INVALID_ENCODED_DATA", "it is not UTF-8"],
]);

function readText(path: string, source: string, errors: string[]): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(path));
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unreadable";
    const why = reasons.get(code) ?? `cannot be read (${code})`;
    errors.push(`${source}: ${path}: ${why}`);
    return null;
  }
}
