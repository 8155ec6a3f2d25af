import { freeHolder } from "@sticky-proxy/operations";
import { exitCodes, UsageError, type Command, type Io, type Parsed } from "../command.ts";
import { unconfirmed, withOperator, type Operator } from "../connections/processes.ts";
import { countFlag } from "../flags.ts";
import { plain, table } from "../printing/table.ts";

export const command: Command = {
  summary: "who stores how much, and free what one caller has stored",
  usage: ["holders list [--limit 20] [--json]", "holders free HOLDER --yes [--cancel-running] [--json]"].join(
    "\n  sticky-proxy ",
  ),
  run(args, io) {
    const [verb, ...rest] = args;
    const json = { json: { type: "boolean" } } as const;
    if (verb === "list") {
      const flags = { ...json, limit: { type: "string" } } as const;
      return withOperator(rest, io, { flags, maxWords: 0 }, (operator, parsed) => list(operator, parsed, io));
    }
    if (verb === "free") {
      const flags = { ...json, yes: { type: "boolean" }, "cancel-running": { type: "boolean" } } as const;
      return withOperator(rest, io, { flags, maxWords: 1 }, (operator, parsed) => free(operator, parsed, io));
    }
    throw new UsageError("holders what? list or free");
  },
};

async function list({ holders }: Pick<Operator, "holders">, { flags }: Parsed, io: Io): Promise<number> {
  const limit = countFlag("limit", flags["limit"], 20, 10_000);
  const sums = (await holders.sums()).slice(0, limit);
  if (flags["json"] === true) {
    io.out(JSON.stringify({ holders: sums }));
    return exitCodes.ok;
  }
  const rows = sums.map(({ holder, bytes, processes }) => [plain(holder), String(bytes), String(processes)]);
  for (const line of table(["HOLDER", "BYTES", "PROCESSES"], rows)) io.out(line);
  return exitCodes.ok;
}

async function free(
  operator: Pick<Operator, "processes" | "tellCancelled" | "holders">,
  { flags, words }: Parsed,
  io: Io,
): Promise<number> {
  const [holder] = words;
  if (holder === undefined) throw new UsageError("which holder? `holders list` names them");
  if (flags["yes"] !== true) return unconfirmed(io, `remove what ${plain(holder)} has stored`);
  const ports = { ...operator, places: (of: string) => operator.holders.places(of) };
  const freed = await freeHolder(ports, holder, flags["cancel-running"] === true);
  if (flags["json"] === true) io.out(JSON.stringify(freed));
  else
    io.out(
      `${freed.removed} removed, ${freed.left} left${freed.left > 0 ? " (unfinished: --cancel-running)" : ""}`,
    );
  return freed.removed > 0 || freed.left === 0 ? exitCodes.ok : exitCodes.failed;
}
