import { showProcess, shownProcessView, type ShownProcess } from "@sticky-proxy/operations";
import { redact } from "@sticky-proxy/runtime";
import { exitCodes, type Command, type Io, type Parsed } from "../command.ts";
import { refOf, unknownProcess, withOperator, type Operator } from "../connections/processes.ts";
import { plain } from "../printing/table.ts";

export const command: Command = {
  summary: "show a process: state, attempts, timeline, and its request without secrets",
  usage: "show ID [--json]",
  run: (args, io) =>
    withOperator(args, io, { flags: { json: { type: "boolean" } }, maxWords: 1 }, (operator, parsed) =>
      show(operator, parsed, io),
    ),
};

export async function show(
  operator: Pick<Operator, "processes">,
  { flags, words }: Parsed,
  io: Io,
): Promise<number> {
  const shown = await showProcess(operator.processes, refOf(operator, words));
  return shown === null ? unknownProcess(io, words[0]!) : printShown(shown, flags["json"] === true, io);
}

export function printShown(shown: ShownProcess, asJson: boolean, io: Pick<Io, "out">): number {
  const view = shownProcessView(shown, redact);
  if (asJson) io.out(JSON.stringify(view));
  else for (const line of lines(view, 0)) io.out(line);
  return exitCodes.ok;
}

/** Nested values indented, empty ones left out. */
function lines(value: object, depth: number): string[] {
  const indent = "  ".repeat(depth);
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) => {
    if (member === null || member === undefined) return [];
    if (Array.isArray(member)) {
      return [`${indent}${name}:`, ...member.map((item) => `${indent}  ${plain(compact(item))}`)];
    }
    if (typeof member === "object") return [`${indent}${name}:`, ...lines(member, depth + 1)];
    return [`${indent}${name}: ${plain(String(member as string | number | boolean))}`];
  });
}

/** A timeline entry: time first, then the word, then the rest. */
function compact(item: unknown): string {
  if (typeof item !== "object" || item === null) return JSON.stringify(item);
  const { at, event, ...rest } = item as Record<string, string>;
  const time = at === undefined ? "" : new Date(Number(at)).toISOString();
  const more = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
  return [time, event ?? "", ...more].join(" ").trim();
}
