import { viewOf } from "@sticky-proxy/core/process";
import { cancelProcess } from "@sticky-proxy/operations";
import type { Command, Io, Parsed } from "../command.ts";
import { byWhom, whyFlag } from "../connections/audit.ts";
import { actOnProcess, withOperator, type Operator } from "../connections/processes.ts";

const flags = { yes: { type: "boolean" }, json: { type: "boolean" }, ...whyFlag } as const;

export const command: Command = {
  summary: "cancel a process; its socket is closed, the service is told, a late result is refused",
  usage: "cancel ID --yes [--why TEXT] [--json]",
  run: (args, io) =>
    withOperator(args, io, { flags, maxWords: 1 }, (operator, parsed) => cancel(operator, parsed, io)),
};

type Cancelled = Exclude<Awaited<ReturnType<typeof cancelProcess>>, { kind: "not-found" }>;

export function cancel(
  operator: Pick<Operator, "processes" | "tellCancelled" | "act">,
  parsed: Parsed,
  io: Io,
): Promise<number> {
  return actOnProcess<Cancelled>(operator, parsed, io, {
    action: "process.cancel",
    would: ({ status }, word) => `cancel ${word} (${status})`,
    work: (ref) => cancelProcess(operator, ref, byWhom(parsed.flags)),
    say(cancelled, word) {
      switch (cancelled.kind) {
        case "cancelled": {
          const isJson = parsed.flags["json"] === true;
          const line = isJson ? JSON.stringify(viewOf(cancelled.record, "")) : `${word} cancelled`;
          return { line, isDone: true };
        }
        case "ended":
          return { line: `the process has ended: ${cancelled.record.status}`, isDone: false };
        case "gone":
          return { line: "the process is gone", isDone: false };
      }
    },
  });
}
