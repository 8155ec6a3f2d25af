/** Where a configuration error was made: the flag, the variable, or the line of the file that holds the entry. */
import type { ConfigError } from "./relations.ts";
import { options, type Sources } from "./sources.ts";
import type { YamlResult } from "./yaml.ts";

/** One line for each error, `place: path: message`, without repeats; the file's own errors first. */
export function placed(
  sources: Pick<Sources, "file" | "flags" | "env">,
  file: Pick<YamlResult, "errors" | "lineOf">,
  errors: readonly ConfigError[],
): string[] {
  const name = sources.file ?? "sticky.yaml";
  const at = (line: number | null): string => (line === null ? name : `${name}:${line}`);
  const lines = file.errors.map(({ line, message }) => `${at(line)}: ${message}`);
  for (const { path, message } of errors) {
    const steps = path.split(".");
    const setting = settingOf(sources, steps);
    const line = setting === null && path !== "" ? file.lineOf(steps) : null;
    const place = setting ?? (line === null ? null : at(line));
    lines.push([place, shownPath(steps), message].filter((part) => part !== null && part !== "").join(": "));
  }
  return [...new Set(lines)];
}

/** `--port` or `STICKY_PORT` where the entry's value came from there; null: it did not. */
function settingOf({ flags, env }: Pick<Sources, "flags" | "env">, steps: readonly string[]): string | null {
  const found = options.find(({ path }) => path?.join(".") === steps.join("."));
  if (found === undefined) return null;
  if (flags[found.flag] !== undefined) return `--${found.flag}`;
  return (env[found.env] ?? "") === "" ? null : found.env;
}

/** `services.a.routes[0].match` */
function shownPath(steps: readonly string[]): string {
  return steps.reduce(
    (path, step) => (/^\d+$/.test(step) ? `${path}[${step}]` : path === "" ? step : `${path}.${step}`),
    "",
  );
}
