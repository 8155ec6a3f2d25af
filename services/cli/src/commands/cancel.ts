import { viewOf } from "@sticky-proxy/core/process";
import { cancelProcess } from "@sticky-proxy/operations";
import { exitCodes, type Command, type Io, type Parsed } from "../command.ts";
import {
  findProcess,
  refOf,
  unconfirmed,
  unknownProcess,
  withOperator,
  type Operator,
} from "../connections/processes.ts";

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
  const ref = refOf(operator, words);
  const word = words[0]!;
  if (flags["yes"] !== true) {
    const record = await findProcess(operator, ref, word, io);
    return record === null ? exitCodes.failed : unconfirmed(io, `cancel ${word} (${record.status})`);
  }
  const cancelled = await cancelProcess(operator, ref);
  switch (cancelled.kind) {
    case "cancelled":
      io.out(flags["json"] === true ? JSON.stringify(viewOf(cancelled.record, "")) : `${word} cancelled`);
      return exitCodes.ok;
    case "ended":
      io.err(`the process has ended: ${cancelled.record.status}`);
      return exitCodes.failed;
    case "gone":
      io.err("the process is gone");
      return exitCodes.failed;
    case "not-found":
      return unknownProcess(io, word);
  }
}
