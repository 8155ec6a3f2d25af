/** The configuration as people may see it: in the words of sticky.yaml, secrets replaced. */
import { stringify } from "yaml";
import type { Config } from "./config.ts";
import { writtenConfig } from "./written.ts";

const hidden = "[redacted]";
const secretEntry = /^(?:secrets?|sharedToken|purgeToken|token|password|sentinelPassword)$/;
const urlEntry = /^(?:url|redis|lockNodes|origin)$/;

/** Plain data fit for JSON, every secret "[redacted]". */
export function redactedConfig(config: Config): Record<string, unknown> {
  return redactValue("", writtenConfig(config)) as Record<string, unknown>;
}

/** The same as YAML text. */
export function configText(config: Config): string {
  return stringify(redactedConfig(config), { aliasDuplicateObjects: false });
}

function redactValue(name: string, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (secretEntry.test(name)) return Array.isArray(value) ? value.map(() => hidden) : hidden;
  if (typeof value === "string") return urlEntry.test(name) ? withoutPassword(value) : value;
  if (Array.isArray(value)) return value.map((item: unknown) => redactValue(name, item));
  // A header value that the gateway sets may be a credential.
  if (name === "set") return Object.fromEntries(Object.keys(value).map((key) => [key, hidden]));
  if (typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactValue(key, item)]));
  return value;
}

function withoutPassword(text: string): string {
  if (!URL.canParse(text)) return text;
  const url = new URL(text);
  if (url.password === "" && !url.searchParams.has("password")) return text;
  if (url.password !== "") url.password = "redacted";
  if (url.searchParams.has("password")) url.searchParams.set("password", "redacted");
  return url.href;
}
