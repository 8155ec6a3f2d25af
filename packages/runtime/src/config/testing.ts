/** Short ways to load a configuration of one service, for tests. */
import type { Config } from "./config.ts";
import { loadConfig } from "./load.ts";
import type { Sources } from "./sources.ts";

export const none: Sources = { yaml: null, env: {}, flags: {}, node: "node-1" };

export function load(yaml: string | null, more: Partial<Sources> = {}): Config {
  const result = loadConfig({ ...none, yaml, ...more });
  if (!result.ok) throw new Error(result.errors.join("\n"));
  return result.config;
}

export function errorsOf(yaml: string | null, more: Partial<Sources> = {}): readonly string[] {
  const result = loadConfig({ ...none, yaml, ...more });
  return result.ok ? [] : result.errors;
}

export const minimal = "services: {a: {instances: [http://127.0.0.1:4001]}}";

/** One service `a` with these YAML lines below it. */
export function service(...lines: string[]): string {
  return [
    "services:",
    "  a:",
    "    instances: [http://127.0.0.1:4001]",
    ...lines.map((line) => `    ${line}`),
  ].join("\n");
}

/** One route of it. */
export function route(text: string): string {
  return service("routes:", `  - ${text}`);
}

export function firstRoute(text: string) {
  const found = load(route(text)).services[0]?.routes[0];
  if (found === undefined) throw new Error("no route");
  return found;
}
