/** The parts of the documents that come from the code: what should stand between their marks, and how to put it there. */
import { join } from "node:path";
import { problemTypes } from "@sticky-proxy/protocol";
import { commands } from "@sticky-proxy/cli";
import { packageGraph, requestGraph } from "./graphs.ts";
import {
  configJsonSchema,
  configReference,
  configTable,
  describeConfig,
  options,
} from "@sticky-proxy/runtime";

export const root = join(import.meta.dirname, "../..");

type Parts = Readonly<Record<string, () => string | Promise<string>>>;

/** By file, then by the name in the marks `<!-- name: begin -->` and `<!-- name: end -->`. */
export const generated: Readonly<Record<string, Parts>> = {
  "USES.md": { "configuration essentials": essentials },
  "API.md": { problems: problemTable },
  "CONFIGURATION.md": { settings: settingsTable, "configuration reference": configReference },
  "ARCHITECTURE.md": { "life of a request": requestGraph, "package graph": packageGraph },
  "OPERATIONS.md": { commands: commandTable },
};

/** The configuration's shape for editors, as a file. */
export const editorSchema = {
  file: "infra/sticky.schema.json",
  text: () => `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
};

export const beginOf = (name: string): string => `<!-- ${name}: begin -->`;
export const endOf = (name: string): string => `<!-- ${name}: end -->`;

/** Null when the marks are missing. */
export function sectionOf(document: string, name: string): string | null {
  const from = document.indexOf(beginOf(name));
  const to = document.indexOf(endOf(name));
  return from < 0 || to < from ? null : document.slice(from + beginOf(name).length, to).trim();
}

export function withSection(document: string, name: string, text: string): string {
  const from = document.indexOf(beginOf(name)) + beginOf(name).length;
  const to = document.indexOf(endOf(name));
  return `${document.slice(0, from)}\n${text}\n${document.slice(to)}`;
}

/** What most files need, for the reader of USES.md. */
const needed = [
  "port",
  "opsPort",
  "publicUrl",
  "trustedProxies",
  "redis.url",
  "redis.profile",
  "services.<name>.instances",
  "services.<name>.match",
  "services.<name>.health",
  "services.<name>.credential",
  "services.<name>.honoursKey",
  "services.<name>.timeouts.firstByteMs",
  "services.<name>.routes[].match.methods",
  "services.<name>.routes[].match.path",
  "services.<name>.routes[].retries.attempts",
  "services.<name>.routes[].process.identity",
  "services.<name>.routes[].process.key",
  "services.<name>.routes[].process.waitMs",
  "services.<name>.routes[].process.completion",
  "services.<name>.routes[].process.onDuplicate",
  "services.<name>.routes[].process.resultTtlMs",
  "services.<name>.routes[].process.maxResultBytes",
  "services.<name>.routes[].process.leaseMs",
  "services.<name>.routes[].process.deadlineMs",
  "services.<name>.routes[].process.onUnknown",
  "services.<name>.routes[].cache.defaultTtlMs",
  "services.<name>.routes[].cache.staleWhileRevalidateMs",
  "services.<name>.routes[].mirror.to",
  "services.<name>.routes[].mirror.mode",
  "services.<name>.routes[].mirror.compare.ignore",
];

function essentials(): string {
  const rows = new Map(describeConfig().map((row) => [row.path, row]));
  return configTable(
    needed.map((path) => {
      const row = rows.get(path);
      if (row === undefined) throw new Error(`the configuration has no entry ${path}`);
      return { ...row, path: path.replace("services.<name>.routes[]", "routes[]") };
    }),
  );
}

function settingsTable(): string {
  const rows = options.map(
    ({ flag, env, path, about }) =>
      `| \`--${flag}\` | \`${env}\` | ${path === null ? "–" : `\`${path.join(".")}\``} | ${about} |`,
  );
  return ["| flag | variable | entry | meaning |", "|---|---|---|---|", ...rows].join("\n");
}

function problemTable(): string {
  const rows = Object.entries(problemTypes).map(
    ([slug, { status, executed, retryable, about }]) =>
      `| \`${slug}\` | ${status} | ${executed ?? "–"} | ${retryable ? "yes" : "no"} | ${about} |`,
  );
  return [
    "| problem | status | executed | retryable | what it means |",
    "|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

async function commandTable(): Promise<string> {
  const rows: string[] = [];
  for (const [name, load] of Object.entries(commands)) {
    const { command } = await load();
    const forms = command.usage.split("\n").map((form) => `\`${form.trim().replace(/^sticky-proxy /, "")}\``);
    rows.push(`| \`${name}\` | ${cell(command.summary)} | ${cell(forms.join("<br>"))} |`);
  }
  return ["| command | does | written as |", "|---|---|---|", ...rows].join("\n");
}

const cell = (text: string): string => text.replaceAll("|", "\\|");
