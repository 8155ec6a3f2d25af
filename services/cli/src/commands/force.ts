import { isTerminal, processId, viewOf } from "@sticky-proxy/core/process";
import { exitCodes, type Command, type Io, type Parsed } from "../command.ts";
import { findProcess, refOf, unconfirmed, withOperator, type Operator } from "../operator.ts";

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
  const record = await findProcess(operator, refOf(operator, words), words[0]!, io);
  if (record === null) return exitCodes.failed;
  if (flags["yes"] !== true) {
    const ran = isTerminal(record.status) ? `executed: ${record.executed ?? "unknown"}` : record.status;
    return unconfirmed(io, `run ${record.operation} of ${words[0]} again (${ran})`);
  }
  const begun = await operator.processes.rerun(record, {
    cancelRunning: flags["cancel-running"] === true,
    dispatch: "by-alarm",
  });
  switch (begun.verdict) {
    case "start":
      if (begun.superseded !== null && !isTerminal(begun.superseded.status))
        operator.tellCancelled(begun.superseded);
      io.out(flags["json"] === true ? JSON.stringify(viewOf(begun.record, "")) : processId(begun.record));
      return exitCodes.ok;
    case "running":
    case "repeat":
    case "superseded":
      io.err(`${processId(begun.record)} is running; --cancel-running replaces it`);
      return exitCodes.failed;
    case "no-request":
      io.err("the request of this process was not kept, so it cannot be sent again");
      return exitCodes.failed;
  }
}
