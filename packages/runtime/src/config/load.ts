/** Sources → configuration, or every reason why not. Pure: nothing is read, nothing is started. */
import { isLoopbackHost } from "@sticky-proxy/core/http";
import { createHash } from "node:crypto";
import type { Config } from "./config.ts";
import { quickForm } from "./quick-forms.ts";
import { brokenRelations, type ConfigError } from "./relations.ts";
import { resolveConfig } from "./resolve.ts";
import { readSettings, withSecrets, withSettings, type Sources } from "./sources.ts";
import { placed } from "./places.ts";
import { validate } from "./validate.ts";
import { configErrors } from "./wording.ts";
import { parseYaml, type YamlResult } from "./yaml.ts";

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly errors: readonly string[] };

/** defaults < YAML < environment < flags. Errors read "sticky.yaml:12: path: what is wrong". */
export function loadConfig(sources: Sources): LoadResult {
  const settings = readSettings(sources);
  const quick = quickForm(settings);
  const file = sources.yaml === null ? noFile : parseYaml(sources.yaml);
  const errors: ConfigError[] = [...settings.errors, ...quick.errors];

  const isFileReadable = file.value !== null || file.errors.length === 0;
  if (isFileReadable) {
    let tree = withSecrets(file.value ?? {}, sources.env, errors) as Record<string, unknown>;
    if (quick.services !== null) {
      if (tree.services === undefined || tree.services === null) tree = { ...tree, services: quick.services };
      else errors.push({ path: "--origin", message: "stands alone: the configuration already has services" });
    }
    tree = withSettings(tree, settings);
    tree = withEnforcement(tree);
    // Typed for one's own machine: whoever wants others to reach it says so.
    if (quick.services !== null && tree.host === undefined) tree.host = "127.0.0.1";
    if (sources.role === "sweeper" && tree.opsPort === undefined) tree.opsPort = 9181;
    if (sources.role === "admin" && tree.opsPort === undefined) tree.opsPort = 9182;
    const { faults, sound, valid } = validate(tree);
    const refused = faults.map(({ path }) => path.join("."));
    errors.push(...configErrors(faults, quick.services !== null));
    errors.push(...brokenRelations(sound, refused, sources.role !== "tool"));
    if (valid !== null && errors.length === 0 && file.errors.length === 0) {
      const config = resolveConfig(valid, sources.node);
      return { ok: true, config, warnings: [...settings.warnings, ...warningsOf(config)] };
    }
  }
  return { ok: false, errors: placed(sources, file, errors) };
}

const noFile: YamlResult = { value: null, errors: [], lineOf: () => null };

/** Whoever names a profile means it; a default that nobody chose is told about and does not keep a node from serving. */
function withEnforcement(tree: Record<string, unknown>): Record<string, unknown> {
  const redis = tree.redis;
  if (typeof redis !== "object" || redis === null || !("profile" in redis) || "enforce" in redis) return tree;
  return { ...tree, redis: { ...redis, enforce: true } };
}

function warningsOf(config: Config): string[] {
  const warnings: string[] = [];
  const isRemote = config.services.some(({ instances }) =>
    instances.some(({ origin }) => !isLoopbackHost(new URL(origin).hostname)),
  );
  const needsCallbacks = config.services.some(({ routes }) => routes.some(({ process }) => process !== null));
  if (config.publicUrl === null && isRemote && needsCallbacks)
    warnings.push(
      "publicUrl is not set: services on other machines will be given a loopback address for callbacks",
    );
  for (const { name, callbackAuth } of config.services)
    if (callbackAuth.mode === "none")
      warnings.push(`services.${name}.callbackAuth: anybody who knows a process id can end it (insecure)`);
  for (const { name, routes } of config.services) {
    const writes = routes.filter(({ mirror }) => mirror?.mode === "dual-write");
    if (new Set(writes.map(({ mirror }) => JSON.stringify(mirror!.orderKey))).size > 1)
      warnings.push(
        `services.${name}: its dual-write routes have unlike orderKeys, so copies of one are not ordered with those of another`,
      );
  }
  if (config.hosts.length === 0 && (config.host === null || !isLoopbackHost(config.host)))
    warnings.push(
      "hosts is empty: requests for every host are answered, also those that a page of another site sends to this address under a name of its own",
    );
  if (config.redis.profile === "dev") warnings.push("redis.profile dev: up to 2 s of results may be lost");
  return warnings;
}

/** Same configuration, same hash on every replica: entries that are a node's own do not count. */
export function configHash(config: Config): string {
  const { node: _n, log: _l, host: _h, port: _p, opsHost: _oh, opsPort: _op, ...more } = config;
  const { adminHost: _ah, adminPort: _ap, ...shared } = more;
  const text = JSON.stringify(shared, (_key, value: unknown) => (value instanceof Map ? [...value] : value));
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
