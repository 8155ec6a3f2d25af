import { listProcesses } from "@sticky-proxy/operations";
import { viewOf } from "@sticky-proxy/core/process";
import { exitCodes, UsageError, type Command, type Io, type Parsed } from "../command.ts";
import { withOperator, type Operator } from "../connections/processes.ts";
import { countFlag, spanFlag, statusesFlag, textFlag } from "../flags.ts";
import { processHead, processRows } from "../printing/processes.ts";
import { table } from "../printing/table.ts";

export const command: Command = {
  summary: "list processes by service, status and age",
  usage:
    "ps [SERVICE...] [--status failed,cancelled] [--older-than 10m] [--limit 50] [--cursor CURSOR] [--json]",
  run: (args, io) =>
    withOperator(
      args,
      io,
      {
        flags: {
          status: { type: "string" },
          "older-than": { type: "string" },
          limit: { type: "string" },
          cursor: { type: "string" },
          json: { type: "boolean" },
        },
        maxWords: 100,
      },
      (operator, parsed) => ps(operator, parsed, io),
    ),
};

type Needs = Pick<Operator, "processes" | "services" | "now">;

export async function ps(operator: Needs, { flags, words }: Parsed, io: Io): Promise<number> {
  const query = {
    services: words.length > 0 ? words : await operator.services(),
    statuses: statusesFlag(flags["status"]),
    olderThanMs: spanFlag("older-than", flags["older-than"]),
    limit: countFlag("limit", flags["limit"], 50, 1000),
    cursor: textFlag(flags["cursor"]),
  };
  const listed = await listProcesses(operator.processes.store, query);
  if (listed.kind === "invalid-cursor") throw new UsageError(listed.reason);
  const { items, next } = listed;
  if (flags["json"] === true) {
    io.out(JSON.stringify({ processes: items.map((record) => viewOf(record, "")), next }));
    return exitCodes.ok;
  }
  for (const line of table(processHead, processRows(items, await operator.now()))) io.out(line);
  if (next !== null) io.err(`there are more: --cursor ${next}`);
  return exitCodes.ok;
}
