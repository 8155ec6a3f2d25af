import { isTerminal, processId, viewOf } from "@sticky-proxy/core/process";
import { rerunProcess } from "@sticky-proxy/operations";
import type { Command, Io, Parsed } from "../command.ts";
import { byWhom, whyFlag } from "../connections/audit.ts";
import { actOnProcess, withOperator, type Operator } from "../connections/processes.ts";

const flags = {
  yes: { type: "boolean" },
  "cancel-running": { type: "boolean" },
  json: { type: "boolean" },
  ...whyFlag,
} as const;

export const command: Command = {
  summary: "run a process's request again as a new process, which a sweeper sends",
  usage: "force ID --yes [--cancel-running] [--why TEXT] [--json]",
  run: (args, io) =>
    withOperator(args, io, { flags, maxWords: 1 }, (operator, parsed) => force(operator, parsed, io)),
};

type Rerun = Exclude<Awaited<ReturnType<typeof rerunProcess>>, { kind: "not-found" }>;

export function force(
  operator: Pick<Operator, "processes" | "tellCancelled" | "act">,
  parsed: Parsed,
  io: Io,
): Promise<number> {
  const isJson = parsed.flags["json"] === true;
  return actOnProcess<Rerun>(operator, parsed, io, {
    action: "process.rerun",
    would(record, word) {
      const ran = isTerminal(record.status) ? `executed: ${record.executed ?? "unknown"}` : record.status;
      return `run ${record.operation} of ${word} again (${ran})`;
    },
    work: (ref) =>
      rerunProcess(operator, ref, {
        cancelRunning: parsed.flags["cancel-running"] === true,
        by: byWhom(parsed.flags),
      }),
    say(rerun) {
      switch (rerun.kind) {
        case "started": {
          const line = isJson ? JSON.stringify(viewOf(rerun.record, "")) : processId(rerun.record);
          return { line, isDone: true };
        }
        case "running":
          return {
            line: `${processId(rerun.record)} is running; --cancel-running replaces it`,
            isDone: false,
          };
        case "no-request":
          return {
            line: "the request of this process was not kept, so it cannot be sent again",
            isDone: false,
          };
      }
    },
  });
}
