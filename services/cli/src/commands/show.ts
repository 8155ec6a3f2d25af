import { viewOf, type ProcessRecord, type StoredRequest } from "@sticky-proxy/core/process";
import { redact } from "@sticky-proxy/runtime";
import { exitCodes, type Command, type Io, type Parsed } from "../command.ts";
import { findProcess, refOf, withOperator, type Operator } from "../operator.ts";
import { plain } from "../tables.ts";

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
  const ref = refOf(operator, words);
  const record = await findProcess(operator, ref, words[0]!, io);
  if (record === null) return exitCodes.failed;
  const { store } = operator.processes;
  const [timeline, request] = await Promise.all([
    store.timeline(ref),
    store.readRequest(record, { mayLackCredentials: true }),
  ]);
  const shown = { ...described(record), request: requestOf(request), timeline };
  if (flags["json"] === true) io.out(JSON.stringify(shown));
  else for (const line of lines(shown, 0)) io.out(line);
  return exitCodes.ok;
}

/** The client's view, and what only operators may know. */
export function described(record: ProcessRecord) {
  const { links: _, ...view } = viewOf(record, "");
  return {
    ...view,
    owner: record.owner,
    fence: record.fence,
    reason: record.reason,
    deadLetter: record.deadLetter,
    released: record.released,
    jobId: record.jobId,
    webhook:
      record.notify === null
        ? null
        : { endpoint: record.notify, state: record.notifyState, attempts: record.notifyAttempt },
    mirror: record.mirror,
  };
}

/** Never the body: payloads are the clients' business. The key shows as its scope only. */
export function requestOf(request: StoredRequest | null) {
  if (request === null) return null;
  const { method, path, query, headers } = request.head;
  return redact({
    method,
    target: query === null ? path : `${path}?${query}`,
    headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    bodyBytes: request.body.length,
  });
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
