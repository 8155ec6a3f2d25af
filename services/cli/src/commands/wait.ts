import { viewOf } from "@sticky-proxy/core/process";
import { waitForProcess } from "@sticky-proxy/operations";
import { exitCodes, type Command, type Io, type Parsed } from "../command.ts";
import { refOf, unknownProcess, withOperator, type Operator } from "../connections/processes.ts";
import { spanFlag } from "../flags.ts";

/** EX_TEMPFAIL of sysexits.h: the process still runs at the timeout. */
export const stillRunning = 75;

export const command: Command = {
  summary:
    "wait for a process's end; exits 0 when completed, 1 when failed or cancelled, 75 when still running",
  usage: "wait ID [--timeout 60s] [--json]",
  run: (args, io) =>
    withOperator(
      args,
      io,
      { flags: { timeout: { type: "string" }, json: { type: "boolean" } }, maxWords: 1 },
      (operator, parsed) => wait(operator, parsed, io),
    ),
};

export async function wait(
  operator: Pick<Operator, "processes" | "waiting">,
  { flags, words }: Parsed,
  io: Io,
): Promise<number> {
  const ref = refOf(operator, words);
  const timeoutMs = spanFlag("timeout", flags["timeout"]) ?? 60_000;
  const { signal } = new AbortController();
  const waited = await waitForProcess(operator.waiting, ref, { timeoutMs, signal });
  if (waited.kind === "not-found") return unknownProcess(io, words[0]!);
  if (waited.kind === "gone") {
    io.err("the process is gone");
    return exitCodes.failed;
  }
  const { record } = waited;
  io.out(flags["json"] === true ? JSON.stringify(viewOf(record, "")) : record.status);
  if (waited.kind === "running") return stillRunning;
  return record.status === "completed" ? exitCodes.ok : exitCodes.failed;
}
