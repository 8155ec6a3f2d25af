import { readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import {
  coverageView,
  differenceClasses,
  differenceView,
  gapView,
  parkedView,
  pending,
  type Difference,
  type IdPair,
} from "@sticky-proxy/core/mirror";
import {
  acknowledgeDifference,
  exportDifferences,
  exportIds,
  groupDifferences,
  importIds,
  listDifferences,
  listGaps,
  listParkedKeys,
  mirrorCoverage,
  readIdPair,
  showDifference,
  skipParked,
  unparkKey,
  verifyMirror,
  type DifferenceFilter,
  type MigrationPorts,
  type MirrorPorts,
} from "@sticky-proxy/operations";
import { exitCodes, parseFlags, UsageError, type Command, type Io, type Parsed } from "../command.ts";
import { whyFlag, type Act } from "../connections/audit.ts";
import { withMirror } from "../connections/mirror.ts";
import { phase, switchOver } from "./migration.ts";
import { coverageTable, differenceTable, gapTable, groupTable, parkedTable } from "../printing/mirror.ts";
import { countFlag, spanFlag, textFlag, wordFlag } from "../flags.ts";

const filterUsage = "[--service NAME] [--route NAME] [--class WORD] [--path /POINTER] [--since 24h] [--all]";

const text = { type: "string" } as const;

export const mirrorFlags = {
  service: text,
  route: text,
  class: text,
  path: text,
  since: text,
  limit: text,
  cursor: text,
  ...whyFlag,
  by: text,
  note: text,
  file: text,
  all: { type: "boolean" },
  back: { type: "boolean" },
  json: { type: "boolean" },
} as const;

export const command: Command = {
  summary: "the second backend: differences, coverage, gaps, parked keys, phases and the switch",
  usage: [
    `mirror differences ${filterUsage} [--limit 50] [--cursor CURSOR] [--json]`,
    "mirror groups [--since 24h] [--json]",
    "mirror show ID [--json]",
    "mirror ack ID [--by NAME] [--note TEXT] [--json]",
    `mirror export ${filterUsage}`,
    "mirror coverage [--service NAME] [--since 24h] [--json]",
    "mirror verify [--json]",
    "mirror gaps [--limit 50] [--json]",
    "mirror parked [--limit 50] [--json]",
    "mirror unpark KEY [--why TEXT]",
    "mirror skip KEY --why TEXT",
    "mirror phase [SERVICE [off|dual-read|dual-write]] [--why TEXT] [--json]",
    "mirror switch SERVICE [--back] [--why TEXT] [--json]",
    "mirror ids export|import SERVICE [--file FILE] [--why TEXT]",
  ].join("\n  sticky-proxy "),
  run(args, io) {
    const parsed = parseFlags(args, mirrorFlags, { maxWords: 3 });
    return withMirror(parsed, io, (mirror, act, moving) => runMirror({ mirror, act, moving }, parsed, io));
  },
};

/** One `mirror` action with its flags read. */
interface Call {
  readonly mirror: MirrorPorts;
  readonly act: Act;
  readonly moving: MigrationPorts;
  readonly flags: Parsed["flags"];
  /** The id or key of an action that needs one, else "". */
  readonly word: string;
  /** The word behind it; null: none. */
  readonly second: string | null;
  readonly limit: number;
  readonly json: boolean;
  readonly io: Io;
}

type Action = (call: Call) => Promise<number>;

const actions: ReadonlyMap<string, Action> = new Map([
  ["differences", differences],
  ["groups", groups],
  ["show", show],
  ["ack", acknowledge],
  ["export", exportAll],
  ["coverage", coverage],
  ["verify", verify],
  ["gaps", gaps],
  ["parked", parked],
  ["unpark", unpark],
  ["skip", skip],
  ["ids", ids],
  ["phase", ({ word, second, ...call }) => phase({ ...call, service: word || null, phase: second })],
  ["switch", ({ word, ...call }) => switchOver({ ...call, service: word, phase: null })],
]);

const actionsWithWord: ReadonlySet<string> = new Set(["show", "ack", "unpark", "skip", "ids", "switch"]);

/** @throws UsageError, StoreUnavailable */
export async function runMirror(
  { mirror, act, moving }: Pick<Call, "mirror" | "act" | "moving">,
  { flags, words }: Parsed,
  io: Io,
): Promise<number> {
  const [name, word, second] = words;
  const limit = countFlag("limit", flags["limit"], 50, 1000);
  if (name === undefined) throw new UsageError(`mirror what? one of: ${[...actions.keys()].join(", ")}`);
  const needsWord = actionsWithWord.has(name);
  if (word !== undefined && !needsWord && name !== "phase")
    throw new UsageError(`unexpected argument "${word}"`);
  if (word === undefined && needsWord) throw new UsageError(`mirror ${name} what? give its id`);
  if (second !== undefined && name !== "ids" && name !== "phase")
    throw new UsageError(`unexpected argument "${second}"`);
  const action = actions.get(name);
  if (action === undefined) throw new UsageError(`there is no "mirror ${name}"`);
  return action({
    mirror,
    act,
    moving,
    flags,
    word: word ?? "",
    second: second ?? null,
    limit,
    json: flags["json"] === true,
    io,
  });
}

async function differences({ mirror, flags, limit, json, io }: Call): Promise<number> {
  const page = { limit, cursor: textFlag(flags["cursor"]) };
  const { items, next } = await listDifferences(mirror, filterOf(flags), page);
  if (json) return print(io, { differences: items.map(differenceView), next });
  printLines(io, differenceTable(items, mirror.clock.now()));
  if (next !== null) io.err(`there are more: --cursor ${next}`);
  await printCompared(mirror, io);
  return exitCodes.ok;
}

async function groups({ mirror, flags, json, io }: Call): Promise<number> {
  const found = await groupDifferences(mirror, { sinceMs: sinceOf(flags) });
  if (json) return print(io, { groups: found });
  printLines(io, groupTable(found));
  await printCompared(mirror, io);
  return exitCodes.ok;
}

async function show({ mirror, word, json, io }: Call): Promise<number> {
  return printDifference(io, word, await showDifference(mirror, word), json);
}

async function acknowledge({ mirror, act, flags, word, json, io }: Call): Promise<number> {
  const by = textFlag(flags["by"]) ?? userInfo().username;
  const note = textFlag(flags["note"]) ?? "";
  const acknowledged = await act(
    { action: "mirror.acknowledge", target: word },
    flags,
    () => acknowledgeDifference(mirror, word, { by, note }),
    (found) => (found === null ? "not-found" : "acknowledged"),
  );
  return printDifference(io, word, acknowledged, json);
}

/** NDJSON. */
async function exportAll({ mirror, flags, io }: Call): Promise<number> {
  for await (const difference of exportDifferences(mirror, filterOf(flags)))
    io.out(JSON.stringify(differenceView(difference)));
  return exitCodes.ok;
}

async function coverage({ mirror, flags, json, io }: Call): Promise<number> {
  const query = { sinceMs: sinceOf(flags), service: textFlag(flags["service"]) };
  const rows = await mirrorCoverage(mirror, query);
  if (json) return print(io, { coverage: rows.map(coverageView) });
  return printLines(io, coverageTable(rows));
}

/** Exit code 1: something has been changed, taken out or put in. */
async function verify({ mirror, json, io }: Call): Promise<number> {
  const found = await verifyMirror(mirror);
  const code = found.broken.length === 0 ? exitCodes.ok : exitCodes.failed;
  if (json) {
    print(io, found);
    return code;
  }
  for (const line of found.broken) io.err(line);
  const word = code === exitCodes.ok ? "the chain holds" : `broken at ${found.broken.length} places`;
  const rest = found.unchained === 0 ? "" : `, ${found.unchained} records older than the chain`;
  io.out(`${word}: ${found.links} links, ${found.records} records${rest}`);
  return code;
}

async function gaps({ mirror, limit, json, io }: Call): Promise<number> {
  const found = await listGaps(mirror, { limit });
  if (json) return print(io, { gaps: found.map(gapView) });
  return printLines(io, gapTable(found));
}

async function parked({ mirror, limit, json, io }: Call): Promise<number> {
  const keys = await listParkedKeys(mirror, { limit });
  if (json) return print(io, { parked: keys.map(parkedView) });
  return printLines(io, parkedTable(keys, mirror.clock.now()));
}

async function unpark({ mirror, act, flags, word, io }: Call): Promise<number> {
  const deed = { action: "mirror.unpark", target: word };
  switch (await act(deed, flags, () => unparkKey(mirror, word), String)) {
    case "unparked":
      return exitCodes.ok;
    case "not-parked":
      io.err(`the key ${word} is not parked`);
      return exitCodes.failed;
    case "invalid-name":
      throw new UsageError(`"${word}" is not a key as "mirror parked" shows them`);
  }
}

async function skip({ mirror, act, flags, word, io }: Call): Promise<number> {
  const why = textFlag(flags["why"]);
  if (why === null)
    throw new UsageError("mirror skip needs --why TEXT: it stands in the record of what was dropped");
  const by = userInfo().username;
  const deed = { action: "mirror.skip", target: word };
  switch (await act(deed, flags, () => skipParked(mirror, word, { by, why }), String)) {
    case "skipped":
      return exitCodes.ok;
    case "not-parked":
      io.err(`the key ${word} is not parked`);
      return exitCodes.failed;
    case "invalid-name":
      throw new UsageError(`"${word}" is not a key as "mirror parked" shows them`);
  }
}

/** NDJSON both ways: {"collection":"/users","id":"17","secondary":"41"} */
async function ids({ mirror, act, flags, word, second: service, io }: Call): Promise<number> {
  if (service === null) throw new UsageError(`mirror ids ${word} of which service?`);
  if (word === "export") {
    for await (const pair of exportIds(mirror, service)) io.out(JSON.stringify(pair));
    return exitCodes.ok;
  }
  if (word !== "import") throw new UsageError(`mirror ids what? one of: export, import`);
  const file = textFlag(flags["file"]);
  if (file === null) throw new UsageError("mirror ids import needs --file FILE");
  const pairs: IdPair[] = [];
  for (const [i, line] of (await readFile(file, "utf8")).split("\n").entries()) {
    if (line.trim() === "") continue;
    const pair = readIdPair(line);
    if (pair === null) {
      io.err(`${file}:${i + 1}: this is no pair such as {"collection":"/users","id":"17","secondary":"41"}`);
      return exitCodes.failed;
    }
    pairs.push(pair);
  }
  const deed = { action: "mirror.import-ids", target: service };
  const count = await act(deed, flags, () => importIds(mirror, service, pairs), String);
  io.err(`${count} pairs kept`);
  return exitCodes.ok;
}

function filterOf(flags: Parsed["flags"]): DifferenceFilter {
  return {
    service: textFlag(flags["service"]),
    route: textFlag(flags["route"]),
    class: wordFlag("class", flags["class"], differenceClasses),
    path: textFlag(flags["path"]),
    sinceMs: sinceOf(flags),
    open: flags["all"] !== true,
  };
}

function sinceOf(flags: Parsed["flags"]): number | null {
  return spanFlag("since", flags["since"]);
}

function printDifference(io: Io, id: string, difference: Difference | null, json: boolean): number {
  if (difference === null) {
    io.err(`there is no difference ${id}`);
    return exitCodes.failed;
  }
  io.out(JSON.stringify(differenceView(difference), null, json ? undefined : 2));
  return exitCodes.ok;
}

/** "No differences" says nothing without how much was compared. */
async function printCompared(mirror: MirrorPorts, io: Io): Promise<void> {
  for (const row of await mirrorCoverage(mirror, { sinceMs: null, service: null })) {
    const { matched, masked, different, eligible } = row.coverage;
    const compared = matched + masked + different;
    io.err(
      `${row.service} ${row.route}: ${compared} of ${eligible} compared, ${pending(row.coverage)} pending`,
    );
  }
}

function print(io: Io, value: object): number {
  io.out(JSON.stringify(value));
  return exitCodes.ok;
}

function printLines(io: Io, lines: readonly string[]): number {
  for (const line of lines) io.out(line);
  return exitCodes.ok;
}
