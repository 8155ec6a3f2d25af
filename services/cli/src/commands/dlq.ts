import {
  anyDeadLetter,
  discardDeadLetter,
  listDeadLetters,
  operatorView,
  planRedrive,
  redriveDeadLetter,
  showDeadLetter,
  startRedrive,
  type DeadLetterFilter,
  type Redriven,
} from "@sticky-proxy/operations";
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";
import { exitCodes, UsageError, type Command, type Io, type Parsed } from "../command.ts";
import { whyFlag } from "../connections/audit.ts";
import { refOf, unconfirmed, withOperator, type Operator } from "../connections/processes.ts";
import { printShown } from "./show.ts";
import { countFlag, spanFlag, textFlag, wordFlag } from "../flags.ts";
import { age, table } from "../printing/table.ts";

const filterUsage =
  "[--service NAME] [--class upstream|callback|internal] [--reason WORD] [--executed no|yes|unknown] [--older-than 1h]";

export const command: Command = {
  summary: "dead letters: list, show, redrive one or all that match, discard",
  usage: [
    `dlq list ${filterUsage} [--limit 50] [--cursor CURSOR] [--json]`,
    "dlq show ID [--json]",
    "dlq redrive ID --yes [--why TEXT] [--json]",
    `dlq redrive (--all | filter) [--dry-run | --yes] [--why TEXT] [--json]`,
    "dlq discard ID --yes [--why TEXT]",
  ].join("\n  sticky-proxy "),
  run: (args, io) =>
    withOperator(
      args,
      io,
      {
        flags: {
          service: { type: "string" },
          class: { type: "string" },
          reason: { type: "string" },
          executed: { type: "string" },
          "older-than": { type: "string" },
          limit: { type: "string" },
          cursor: { type: "string" },
          all: { type: "boolean" },
          "dry-run": { type: "boolean" },
          yes: { type: "boolean" },
          json: { type: "boolean" },
          ...whyFlag,
        },
        maxWords: 2,
      },
      (operator, parsed) => dlq(operator, parsed, io),
    ),
};

type Needs = Pick<Operator, "processes" | "now" | "act">;

export async function dlq(operator: Needs, parsed: Parsed, io: Io): Promise<number> {
  const [action, id, ...rest] = parsed.words;
  if (rest.length > 0) throw new UsageError(`unexpected argument "${rest[0]}"`);
  switch (action) {
    case "list":
      if (id !== undefined) throw new UsageError(`unexpected argument "${id}"`);
      return list(operator, parsed, io);
    case "show":
      return showOne(operator, parsed, io);
    case "redrive":
      return id === undefined ? redriveAll(operator, parsed, io) : redriveOne(operator, parsed, io);
    case "discard":
      return discardOne(operator, parsed, io);
    default:
      throw new UsageError("dlq what? list, show, redrive or discard");
  }
}

function filterOf({ flags }: Parsed): DeadLetterFilter {
  return {
    service: textFlag(flags["service"]),
    class: wordFlag("class", flags["class"], ["upstream", "callback", "internal"]),
    reason: textFlag(flags["reason"]),
    executed: wordFlag("executed", flags["executed"], ["no", "yes", "unknown"]),
    olderThanMs: spanFlag("older-than", flags["older-than"]),
  };
}

async function list(operator: Needs, parsed: Parsed, io: Io): Promise<number> {
  const { flags } = parsed;
  const limit = countFlag("limit", flags["limit"], 50, 1000);
  const cursor = textFlag(flags["cursor"]);
  const { items, next } = await listDeadLetters(operator.processes, filterOf(parsed), { limit, cursor });
  if (flags["json"] === true) {
    io.out(JSON.stringify({ deadLetters: items.map(operatorView), next }));
    return exitCodes.ok;
  }
  const now = await operator.now();
  for (const line of table(
    head,
    items.map((record) => rowOf(record, now)),
  ))
    io.out(line);
  if (next !== null) io.err(`there are more: --cursor ${next}`);
  return exitCodes.ok;
}

const head = ["ID", "SERVICE", "CLASS", "EXECUTED", "REASON", "AGE", "REQUEST", "OPERATION"] as const;

function rowOf(record: ProcessRecord, now: number): string[] {
  return [
    processId(record),
    record.service,
    record.deadLetter ?? "",
    record.executed ?? "",
    record.reason ?? record.problem ?? "",
    age(now - (record.endedAt ?? record.updatedAt)),
    record.requestPayload === null ? "-" : "kept",
    record.operation,
  ];
}

async function showOne(operator: Needs, parsed: Parsed, io: Io): Promise<number> {
  const ref = refOf(operator, parsed.words, 1);
  const letter = await showDeadLetter(operator.processes, ref);
  if (letter === null) {
    io.err(`${parsed.words[1]} is not a dead letter`);
    return exitCodes.failed;
  }
  return printShown(letter, parsed.flags["json"] === true, io);
}

async function redriveOne(operator: Needs, { flags, words }: Parsed, io: Io): Promise<number> {
  const ref = refOf(operator, words, 1);
  if (flags["yes"] !== true) return unconfirmed(io, `redrive ${words[1]}`);
  const redriven = await operator.act(
    { action: "dead-letter.redrive", target: words[1]! },
    flags,
    () => redriveDeadLetter(operator.processes, ref),
    ({ kind }) => kind,
  );
  const said = sayRedriven(redriven);
  if (flags["json"] === true) io.out(JSON.stringify({ id: words[1], ...said }));
  else if (said.isDone)
    io.out(`${words[1]} ${said.result}${said.successor === null ? "" : ` as ${said.successor}`}`);
  else io.err(`${words[1]} was not redriven: ${said.result}`);
  return said.isDone ? exitCodes.ok : exitCodes.failed;
}

function sayRedriven(redriven: Redriven) {
  switch (redriven.kind) {
    case "rerun":
      return { isDone: true, result: redriven.kind, successor: processId(redriven.record) };
    case "already-rerun":
      return { isDone: true, result: redriven.kind, successor: processId(redriven.successor) };
    case "notified-again":
      return { isDone: true, result: redriven.kind, successor: null };
    case "superseded":
      return { isDone: false, result: redriven.kind, successor: processId(redriven.successor) };
    case "running":
    case "no-request":
    case "not-dead":
    case "not-found":
      return { isDone: false, result: redriven.kind, successor: null };
  }
}

async function redriveAll(operator: Needs, parsed: Parsed, io: Io): Promise<number> {
  const { flags } = parsed;
  const filter = filterOf(parsed);
  const isAny = Object.values(filter).every((part) => part === null);
  if (isAny && flags["all"] !== true) throw new UsageError("redrive what? an id, a filter, or --all");
  const plan = await planRedrive(operator.processes, isAny ? anyDeadLetter : filter);
  const isJson = flags["json"] === true;
  if (flags["dry-run"] === true || flags["yes"] !== true) {
    if (isJson) io.out(JSON.stringify({ plan }));
    else {
      io.out(`${plan.count}${plan.isCapped ? " or more" : ""} dead letters match`);
      for (const [what, count] of Object.entries(plan.outlook)) if (count > 0) io.out(`  ${what}: ${count}`);
      for (const id of plan.sample) io.out(`  ${id}`);
    }
    return flags["dry-run"] === true ? exitCodes.ok : unconfirmed(io, "redrive them");
  }
  const report = await operator.act(
    { action: "dead-letter.redrive-all", target: JSON.stringify(filter) },
    flags,
    () =>
      startRedrive(operator.processes, plan, {
        signal: new AbortController().signal,
        onItem: ({ ref, result }) => {
          if (!isJson) io.out(`${processId(ref)} ${result.kind}`);
        },
      }),
    (made) => JSON.stringify(made?.counts ?? {}),
  );
  if (report === null) throw new Error("a plan that was just made is stale");
  if (isJson) io.out(JSON.stringify({ plan, report }));
  if (!report.isComplete) io.err("stopped at the most that one redrive does; run it again to go on");
  const { rerun = 0, "already-rerun": already = 0, "notified-again": told = 0 } = report.counts;
  const done = rerun + already + told;
  const total = Object.values(report.counts).reduce((sum, count) => sum + count, 0);
  if (!isJson) io.out(`redriven: ${done} of ${total}`);
  return done === total ? exitCodes.ok : exitCodes.failed;
}

async function discardOne(operator: Needs, { flags, words }: Parsed, io: Io): Promise<number> {
  const ref = refOf(operator, words, 1);
  if (flags["yes"] !== true) return unconfirmed(io, `discard ${words[1]}`);
  const result = await operator.act(
    { action: "dead-letter.discard", target: words[1]! },
    flags,
    () => discardDeadLetter(operator.processes, ref),
    String,
  );
  if (flags["json"] === true) io.out(JSON.stringify({ id: words[1], result }));
  else if (result === "discarded") io.out(`${words[1]} discarded`);
  else io.err(`${words[1]} was not discarded: ${result}`);
  return result === "discarded" ? exitCodes.ok : exitCodes.failed;
}
