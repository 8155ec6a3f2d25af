/**
 * Where settings come from besides the file: one table for flags and environment, so that both always agree.
 * Pure: {@link readSources} (read-sources.ts) does the reading.
 */
import type { ConfigError } from "./relations.ts";

export type FlagValue = string | boolean;

export interface Sources {
  /** Text of sticky.yaml; null: there is none. */
  readonly yaml: string | null;
  /** How errors call the file; default "sticky.yaml". */
  readonly file?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By flag name without dashes. */
  readonly flags: Readonly<Record<string, FlagValue | undefined>>;
  /** Names this process where the configuration does not. */
  readonly node: string;
  /**
   * Who asks: `sweeper` has another default ops port, a `tool` (a command that only needs Redis) works without
   * any service configured. Default `all`.
   */
  readonly role?: "all" | "proxy" | "sweeper" | "admin" | "tool";
}

export interface Option {
  readonly flag: string;
  readonly env: string;
  readonly kind: "text" | "integer" | "switch";
  /** Where the value goes; null: it is a quick form or names the file. */
  readonly path: readonly string[] | null;
  readonly about: string;
}

function option(
  flag: string,
  kind: Option["kind"],
  path: string | null,
  about: string,
  env = `STICKY_${flag.toUpperCase().replaceAll("-", "_")}`,
): Option {
  return { flag, env, kind, path: path === null ? null : path.split("."), about };
}

export const options: readonly Option[] = [
  option("config", "text", null, "Configuration file (YAML)."),
  option("port", "integer", "port", "Port of the data plane; 0: any free one."),
  option("host", "text", "host", "Address of the data plane."),
  option("ops-port", "integer", "opsPort", "Port of /livez, /readyz, /metrics."),
  option("ops-host", "text", "opsHost", "Address of the ops port."),
  option("admin-port", "integer", "adminPort", "Port of the admin service."),
  option("admin-host", "text", "adminHost", "Address of the admin service."),
  option("public-url", "text", "publicUrl", "Base of callback URLs: usually the balancer's address."),
  option("redis", "text", "redis.url", "Redis for process state.", "REDIS_URL"),
  option("redis-profile", "text", "redis.profile", "dev, standard, ha or ha+quorum."),
  option("key-prefix", "text", "redis.keyPrefix", "Begins every key in Redis: a word and a colon."),
  option("cache-redis", "text", "cache.redis", "A Redis of the cache's own.", "CACHE_REDIS_URL"),
  option("purge-token", "text", "cache.purgeToken", "Bearer token that allows PURGE on the data plane."),
  option("node", "text", "node", "Name of this node."),
  option("log-level", "text", "log.level", "error, warn, info or debug."),
  option("log-format", "text", "log.format", "auto, json or console."),
  option("origin", "text", null, "Quick form: one service that takes every path."),
  option("idempotent", "switch", null, "Quick form: Idempotency-Key on every method."),
  option("cache", "switch", null, "Quick form: cache GET and HEAD (RFC 9111)."),
  option("ttl", "integer", null, "Quick form: seconds a response without a lifetime is fresh."),
  option("cache-profile", "text", null, "Quick form: safe or conformance."),
  option("mirror", "text", null, "Quick form: second backend that gets everything too."),
];

/** Secrets a file may refer to as `{ env: NAME }`. */
export const secretName = /^STICKY_SECRET_[A-Z0-9_]{1,100}$/;

export interface Settings {
  /** Values by option flag; the flag wins over the environment. */
  readonly given: ReadonlyMap<string, string | number | boolean>;
  readonly errors: readonly ConfigError[];
  readonly warnings: readonly string[];
}

/** Values of flags and environment, as the kinds the table says. Empty environment values count as absent. */
export function readSettings({ env, flags }: Pick<Sources, "env" | "flags">): Settings {
  const given = new Map<string, string | number | boolean>();
  const errors: ConfigError[] = [];
  for (const { flag, env: variable, kind } of options) {
    const fromFlag = flags[flag];
    const fromEnv = env[variable] === "" ? undefined : env[variable];
    const raw = fromFlag ?? fromEnv;
    if (raw === undefined) continue;
    const source = fromFlag === undefined ? variable : `--${flag}`;
    const value = asKind(raw, kind);
    if (value === null) errors.push({ path: source, message: expected[kind] });
    else given.set(flag, value);
  }
  const known = new Set(options.map(({ env: variable }) => variable));
  const warnings = Object.keys(env)
    .filter(
      (name) => name.startsWith("STICKY_") && !known.has(name) && !known.has(name.replace(/_FILE$/, "")),
    )
    // Kubernetes sets STICKY_PROXY_… for a service of that name.
    .filter((name) => !name.startsWith("STICKY_PROXY_") && !name.startsWith("STICKY_SECRET_"))
    .map((name) => `environment variable ${name} is not known and was not used`);
  return { given, errors, warnings };
}

const expected = {
  text: "needs a value",
  integer: "must be a whole number",
  switch: "must be true or false",
} as const satisfies Record<Option["kind"], string>;

function asKind(raw: FlagValue, kind: Option["kind"]): string | number | boolean | null {
  switch (kind) {
    case "text":
      return typeof raw === "string" && raw !== "" ? raw : null;
    case "integer":
      return typeof raw === "string" && /^-?\d{1,15}$/.test(raw) ? Number(raw) : null;
    case "switch": {
      if (typeof raw === "boolean") return raw;
      if (raw === "true" || raw === "1") return true;
      return raw === "false" || raw === "0" ? false : null;
    }
  }
}

/** A copy of `tree` with the settings that have a place in it. */
export function withSettings(
  tree: Readonly<Record<string, unknown>>,
  settings: Settings,
): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...tree };
  for (const { flag, path } of options) {
    const value = settings.given.get(flag);
    if (value === undefined || path === null) continue;
    const [first = "", second] = path;
    if (second === undefined) merged[first] = value;
    else {
      const section = merged[first];
      const isSection = typeof section === "object" && section !== null && !Array.isArray(section);
      // A malformed section stays as it is: the schema will name it.
      if (section === undefined || section === null || isSection)
        merged[first] = { ...section, [second]: value };
    }
  }
  return merged;
}

/** A copy of `tree` where each `{ env: STICKY_SECRET_… }` is the variable's value. */
export function withSecrets(
  tree: unknown,
  env: Sources["env"],
  errors: ConfigError[],
  path: readonly string[] = [],
): unknown {
  if (Array.isArray(tree)) return tree.map((item, i) => withSecrets(item, env, errors, [...path, String(i)]));
  if (typeof tree !== "object" || tree === null) return tree;
  const entries = Object.entries(tree);
  const [name, value] = entries[0] ?? [];
  if (
    entries.length === 1 &&
    name === "env" &&
    typeof value === "string" &&
    value.startsWith("STICKY_SECRET_")
  ) {
    const secret = secretName.test(value) ? env[value] : undefined;
    if (secret !== undefined && secret !== "") return secret;
    errors.push({ path: path.join("."), message: `environment variable ${value} is not set` });
    return undefined;
  }
  return Object.fromEntries(
    entries.map(([key, item]) => [key, withSecrets(item, env, errors, [...path, key])]),
  );
}
