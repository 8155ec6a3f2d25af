import { isTerminal, viewOf } from "@sticky-proxy/core/process";
import { waitFor } from "@sticky-proxy/engine";
import { exitCodes, type Command, type Io, type Parsed } from "../command.ts";
import { findProcess, refOf, withOperator, type Operator } from "../operator.ts";
import { spanFlag } from "../tables.ts";

/** sysexits.h, EX_TEMPFAIL: still running when the time was over. */
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
  if ((await findProcess(operator, ref, words[0]!, io)) === null) return exitCodes.failed;
  const { record } = await waitFor(
    operator.waiting,
    ref,
    ({ record: now }) => now === null || isTerminal(now.status),
    { timeoutMs, signal: new AbortController().signal, withResult: false },
  );
  if (record === null) {
    io.err("the process is gone");
    return exitCodes.failed;
  }
  io.out(flags["json"] === true ? JSON.stringify(viewOf(record, "")) : record.status);
  if (!isTerminal(record.status)) return stillRunning;
  return record.status === "completed" ? exitCodes.ok : exitCodes.failed;
}
