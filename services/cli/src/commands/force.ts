import { isTerminal, processId, viewOf } from "@sticky-proxy/core/process";
import { rerunProcess } from "@sticky-proxy/operations";
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
  summary: "run a process's request again as a new process, which a sweeper sends",
  usage: "force ID --yes [--cancel-running] [--json]",
  run: (args, io) =>
    withOperator(
      args,
      io,
      {
        flags: {
          yes: { type: "boolean" },
          "cancel-running": { type: "boolean" },
          json: { type: "boolean" },
        },
        maxWords: 1,
      },
      (operator, parsed) => force(operator, parsed, io),
    ),
};

export async function force(
  operator: Pick<Operator, "processes" | "tellCancelled">,
  { flags, words }: Parsed,
  io: Io,
): Promise<number> {
  const ref = refOf(operator, words);
  const word = words[0]!;
  if (flags["yes"] !== true) {
    const record = await findProcess(operator, ref, word, io);
    if (record === null) return exitCodes.failed;
    const ran = isTerminal(record.status) ? `executed: ${record.executed ?? "unknown"}` : record.status;
    return unconfirmed(io, `run ${record.operation} of ${word} again (${ran})`);
  }
  const rerun = await rerunProcess(operator, ref, { cancelRunning: flags["cancel-running"] === true });
  switch (rerun.kind) {
    case "started":
      io.out(flags["json"] === true ? JSON.stringify(viewOf(rerun.record, "")) : processId(rerun.record));
      return exitCodes.ok;
    case "running":
      io.err(`${processId(rerun.record)} is running; --cancel-running replaces it`);
      return exitCodes.failed;
    case "no-request":
      io.err("the request of this process was not kept, so it cannot be sent again");
      return exitCodes.failed;
    case "not-found":
      return unknownProcess(io, word);
  }
}
