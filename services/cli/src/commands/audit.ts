import { listAudit } from "@sticky-proxy/operations";
import type { Audit } from "@sticky-proxy/core/operators";
import { exitCodes, type Command, type Io, type Parsed } from "../command.ts";
import { withOperator } from "../connections/processes.ts";
import { countFlag, spanFlag, textFlag } from "../flags.ts";
import { plain, table } from "../printing/table.ts";

export const command: Command = {
  summary: "who did what, when and why: what operators have done, newest first",
  usage:
    "audit [--actor NAME] [--action PREFIX] [--target PART] [--since 1d] [--limit 50] [--cursor CURSOR] [--json]",
  run: (args, io) =>
    withOperator(
      args,
      io,
      {
        flags: {
          actor: { type: "string" },
          action: { type: "string" },
          target: { type: "string" },
          since: { type: "string" },
          limit: { type: "string" },
          cursor: { type: "string" },
          json: { type: "boolean" },
        },
        maxWords: 0,
      },
      (operator, parsed) => printAudit(operator, parsed, io),
    ),
};

/** @throws UsageError, InvalidCursor, StoreUnavailable */
export async function printAudit(
  operator: { readonly audit: Pick<Audit, "list">; now(): Promise<number> },
  { flags }: Parsed,
  io: Pick<Io, "out" | "err">,
): Promise<number> {
  const cursor = textFlag(flags["cursor"]);
  const sinceMs = spanFlag("since", flags["since"]);
  const { items, next } = await listAudit(operator.audit, {
    actor: textFlag(flags["actor"]),
    action: textFlag(flags["action"]),
    target: textFlag(flags["target"]),
    since: sinceMs === null ? null : (await operator.now()) - sinceMs,
    limit: countFlag("limit", flags["limit"], 50, 1000),
    cursor,
  });
  if (flags["json"] === true) {
    io.out(JSON.stringify({ audit: items, next }));
    return exitCodes.ok;
  }
  const rows = items.map(({ at, actor, action, target, result, reason }) => [
    new Date(at).toISOString(),
    plain(actor),
    action,
    plain(target),
    result ?? "unknown",
    plain(reason),
  ]);
  for (const line of table(["AT", "ACTOR", "ACTION", "TARGET", "RESULT", "WHY"], rows)) io.out(line);
  if (next !== null) io.err(`there are more: --cursor ${next}`);
  return exitCodes.ok;
}
