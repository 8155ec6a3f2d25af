/** The parts of README.md that come from the code: what should stand between their marks, and how to put it there. */
import { join } from "node:path";
import { problemTypes } from "@sticky-proxy/protocol";
import { commands } from "@sticky-proxy/proxy";
import { configReference } from "@sticky-proxy/runtime";

export const root = join(import.meta.dirname, "../..");

/** By the name in the marks `<!-- name: begin -->` and `<!-- name: end -->`. */
export const generated: Readonly<Record<string, () => string | Promise<string>>> = {
  "configuration reference": configReference,
  problems: problemTable,
  commands: commandTable,
};

export const beginOf = (name: string): string => `<!-- ${name}: begin -->`;
export const endOf = (name: string): string => `<!-- ${name}: end -->`;

/** Null when the marks are missing. */
export function sectionOf(readme: string, name: string): string | null {
  const from = readme.indexOf(beginOf(name));
  const to = readme.indexOf(endOf(name));
  return from < 0 || to < from ? null : readme.slice(from + beginOf(name).length, to).trim();
}

export function withSection(readme: string, name: string, text: string): string {
  const from = readme.indexOf(beginOf(name)) + beginOf(name).length;
  const to = readme.indexOf(endOf(name));
  return `${readme.slice(0, from)}\n${text}\n${readme.slice(to)}`;
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
