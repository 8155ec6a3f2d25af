import { viewOf } from "@sticky-proxy/core/process";
import { exitCodes, type Command, type Io, type Parsed } from "../command.ts";
import { findProcess, refOf, unconfirmed, withOperator, type Operator } from "../operator.ts";

export const command: Command = {
  summary: "cancel a process; its socket is closed, the service is told, a late result is refused",
  usage: "cancel ID --yes [--json]",
  run: (args, io) =>
    withOperator(
      args,
      io,
      { flags: { yes: { type: "boolean" }, json: { type: "boolean" } }, maxWords: 1 },
      (operator, parsed) => cancel(operator, parsed, io),
    ),
};

export async function cancel(
  operator: Pick<Operator, "processes" | "tellCancelled">,
  { flags, words }: Parsed,
  io: Io,
): Promise<number> {
  const record = await findProcess(operator, refOf(operator, words), words[0]!, io);
  if (record === null) return exitCodes.failed;
  if (flags["yes"] !== true) return unconfirmed(io, `cancel ${words[0]} (${record.status})`);
  const applied = await operator.processes.apply(record, { type: "cancelled" });
  switch (applied.kind) {
    case "applied":
      operator.tellCancelled(applied.from);
      break;
    case "same":
      break;
    case "refused":
    case "not-due":
      io.err(`the process has ended: ${applied.record.status}`);
      return exitCodes.failed;
    case "gone":
      io.err("the process is gone");
      return exitCodes.failed;
  }
  io.out(flags["json"] === true ? JSON.stringify(viewOf(applied.record, "")) : `${words[0]} cancelled`);
  return exitCodes.ok;
}
