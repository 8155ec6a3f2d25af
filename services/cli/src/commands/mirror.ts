/** The mirror from the command line: the same functions as the admin API (core/mirror, store). */
import { userInfo } from "node:os";
import {
  coverageView,
  differenceClasses,
  differenceView,
  gapView,
  parkedKeyName,
  parkedView,
  parseParkedKey,
  pending,
  type Difference,
  type DifferenceQuery,
  type Differences,
  type Outbox,
} from "@sticky-proxy/core/mirror";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { storeSettings, type Config } from "@sticky-proxy/runtime";
import {
  createDifferences,
  createMirrorOutbox,
  MetaMismatch,
  openStore,
  StoreUnreachable,
} from "@sticky-proxy/store";
import {
  exitCodes,
  loadOrExplain,
  parseFlags,
  UsageError,
  type Command,
  type Io,
  type Parsed,
} from "../command.ts";
import { age, countFlag, spanFlag, table, textFlag, wordFlag } from "../tables.ts";

const filterUsage = "[--service NAME] [--route NAME] [--class WORD] [--path /POINTER] [--since 24h] [--all]";

export const command: Command = {
  summary: "what the mirror found: differences, coverage, gaps, parked keys",
  usage: [
    `mirror differences ${filterUsage} [--limit 50] [--cursor CURSOR] [--json]`,
    "mirror groups [--since 24h] [--json]",
    "mirror show ID [--json]",
    "mirror ack ID [--by NAME] [--note TEXT] [--json]",
    `mirror export ${filterUsage}`,
    "mirror coverage [--service NAME] [--since 24h] [--json]",
    "mirror gaps [--limit 50] [--json]",
    "mirror parked [--limit 50] [--json]",
    "mirror unpark KEY",
  ].join("\n  sticky-proxy "),
  async run(args, io) {
    const text = { type: "string" } as const;
    const parsed = parseFlags(
      args,
      {
        ...Object.fromEntries(
          ["service", "route", "class", "path", "since", "limit", "cursor", "by", "note"].map((name) => [
            name,
            text,
          ]),
        ),
        all: { type: "boolean" },
        json: { type: "boolean" },
      },
      { maxWords: 2 },
    );
    const loaded = loadOrExplain(parsed.flags, io, "tool");
    if (loaded === null) return exitCodes.config;
    try {
      return await withMirror(loaded.config, (mirror) => runMirror(mirror, parsed, io));
    } catch (error) {
      const isAway = [StoreUnreachable, MetaMismatch, StoreUnavailable].some((kind) => error instanceof kind);
      if (!isAway) throw error;
      io.err(`the store is not available: ${(error as Error).message}`);
      return exitCodes.unavailable;
    }
  },
};

export interface MirrorOperator {
  readonly outbox: Outbox;
  readonly differences: Differences;
  /** Epoch ms, to turn spans into times. */
  readonly now: () => number;
}

async function withMirror(config: Config, run: (mirror: MirrorOperator) => Promise<number>): Promise<number> {
  const store = await openStore({
    ...storeSettings(config),
    waitMs: 3000,
    onError: () => undefined, // said once, when the command gives up
  });
  try {
    const { writes, reads } = store.redis;
    const deps = { writes, reads, keys: store.keys, partitions: store.meta.partitions };
    return await run({
      outbox: createMirrorOutbox(deps),
      differences: createDifferences(deps),
      now: Date.now,
    });
  } finally {
    await store.close();
  }
}

/** @throws UsageError, StoreUnavailable */
export async function runMirror(mirror: MirrorOperator, { flags, words }: Parsed, io: Io): Promise<number> {
  const [action, word] = words;
  const json = flags["json"] === true;
  const write = (head: readonly string[], rows: readonly (readonly string[])[]): void => {
    for (const line of table(head, rows)) io.out(line);
  };
  const since = (): number | null => {
    const ms = spanFlag("since", flags["since"]);
    return ms === null ? null : mirror.now() - ms;
  };
  const limit = countFlag("limit", flags["limit"], 50, 1000);
  const wantsWord = action === "show" || action === "ack" || action === "unpark";
  if (word !== undefined && !wantsWord) throw new UsageError(`unexpected argument "${word}"`);
  if (word === undefined && wantsWord) throw new UsageError(`mirror ${action} what? give its id`);

  switch (action) {
    case "differences": {
      const { items, next } = await mirror.differences.list(queryOf(flags, since(), limit));
      if (json) io.out(JSON.stringify({ differences: items.map(differenceView), next }));
      else {
        write(
          differenceHead,
          items.map((item) => differenceRow(item, mirror.now())),
        );
        if (next !== null) io.err(`there are more: --cursor ${next}`);
        await tellCoverage(mirror, io);
      }
      return exitCodes.ok;
    }
    case "groups": {
      const groups = await mirror.differences.groups({ since: since() });
      if (json) io.out(JSON.stringify({ groups }));
      else {
        write(
          ["COUNT", "SERVICE", "ROUTE", "CLASS", "PATH"],
          groups.map((group) => [String(group.count), group.service, group.route, group.class, group.path]),
        );
        await tellCoverage(mirror, io);
      }
      return exitCodes.ok;
    }
    case "show": {
      const difference = await mirror.differences.show(word!);
      return difference === null ? unknown(io, word!) : shown(difference, json, io);
    }
    case "ack": {
      const by = textFlag(flags["by"]) ?? userInfo().username;
      const noted = await mirror.differences.acknowledge(word!, by, textFlag(flags["note"]) ?? "");
      return noted === null ? unknown(io, word!) : shown(noted, json, io);
    }
    case "export":
      return exportAll(mirror, flags, since(), io);
    case "coverage": {
      const rows = await mirror.differences.coverage({ since: since(), service: textFlag(flags["service"]) });
      if (json) io.out(JSON.stringify({ coverage: rows.map(coverageView) }));
      else write(coverageHead, rows.map(coverageCells));
      return exitCodes.ok;
    }
    case "gaps": {
      const gaps = await mirror.outbox.gaps({ limit });
      if (json) io.out(JSON.stringify({ gaps: gaps.map(gapView) }));
      else {
        write(
          ["FROM", "TO", "CALLS", "REASON", "SERVICE", "ROUTE"],
          gaps.map((gap) => [
            new Date(gap.from).toISOString(),
            new Date(gap.to).toISOString(),
            String(gap.count),
            gap.reason,
            gap.service,
            gap.route,
          ]),
        );
      }
      return exitCodes.ok;
    }
    case "parked": {
      const keys = await mirror.outbox.parkedKeys({ limit });
      if (json) io.out(JSON.stringify({ parked: keys.map(parkedView) }));
      else {
        write(
          ["KEY", "SERVICE", "REASON", "ENTRIES", "TRIES", "AGE", "NEXT", "ERROR"],
          keys.map((key) => [
            parkedKeyName(key),
            key.service,
            key.reason,
            String(key.entries),
            String(key.attempts),
            age(mirror.now() - key.parkedAt),
            key.nextAt === null ? "never" : age(key.nextAt - mirror.now()),
            key.error,
          ]),
        );
      }
      return exitCodes.ok;
    }
    case "unpark": {
      const key = parseParkedKey(word!, mirror.outbox.partitions);
      if (key === null) throw new UsageError(`"${word}" is not a key as "mirror parked" shows them`);
      const done = await mirror.outbox.unpark(key.partition, key.orderKey);
      if (done === "unparked") return exitCodes.ok;
      io.err(`the key ${word} is not parked`);
      return exitCodes.failed;
    }
    case undefined:
    default:
      throw new UsageError(
        action === undefined
          ? "mirror what? one of: differences, groups, show, ack, export, coverage, gaps, parked, unpark"
          : `there is no "mirror ${action}"`,
      );
  }
}

function queryOf(flags: Parsed["flags"], since: number | null, limit: number): DifferenceQuery {
  return {
    service: textFlag(flags["service"]),
    route: textFlag(flags["route"]),
    class: wordFlag("class", flags["class"], differenceClasses),
    path: textFlag(flags["path"]),
    since,
    open: flags["all"] !== true,
    limit,
    cursor: textFlag(flags["cursor"]),
  };
}

/** NDJSON, newest first, page by page, so that a long list needs no memory. */
async function exportAll(
  { differences }: MirrorOperator,
  flags: Parsed["flags"],
  since: number | null,
  io: Io,
): Promise<number> {
  let query = queryOf(flags, since, 200);
  for (;;) {
    const { items, next } = await differences.list(query);
    for (const item of items) io.out(JSON.stringify(differenceView(item)));
    if (next === null) return exitCodes.ok;
    query = { ...query, cursor: next };
  }
}

function shown(difference: Difference, json: boolean, io: Io): number {
  io.out(JSON.stringify(differenceView(difference), null, json ? undefined : 2));
  return exitCodes.ok;
}

function unknown(io: Io, id: string): number {
  io.err(`there is no difference ${id}`);
  return exitCodes.failed;
}

/** "No differences" says nothing without how much was compared. */
async function tellCoverage({ differences }: MirrorOperator, io: Io): Promise<void> {
  for (const { service, route, coverage } of await differences.coverage({ since: null, service: null })) {
    const compared = coverage.matched + coverage.masked + coverage.different;
    io.err(`${service} ${route}: ${compared} of ${coverage.eligible} compared, ${pending(coverage)} pending`);
  }
}

const differenceHead = ["ID", "AGE", "SERVICE", "CLASS", "OPERATION", "WHERE"] as const;

function differenceRow(difference: Difference, now: number): string[] {
  const { sides, edits } = difference;
  const [first] = edits;
  const where =
    first === undefined
      ? `${sides.primary.status ?? "-"} / ${sides.secondary.status ?? sides.secondary.error ?? "-"}`
      : `${first.part === "body" ? "" : `${first.part} `}${first.path} ${first.primary ?? "(none)"} / ${first.secondary ?? "(none)"}`;
  const more = edits.length > 1 ? ` (+${edits.length - 1})` : "";
  return [
    difference.id,
    age(now - difference.at),
    difference.service,
    difference.class,
    difference.operation,
    where.slice(0, 120) + more,
  ];
}

const coverageHead = [
  "SERVICE",
  "ROUTE",
  "ELIGIBLE",
  "MATCHED",
  "MASKED",
  "DIFFERENT",
  "RACE",
  "FAILED",
  "PENDING",
  "SKIPPED",
] as const;

function coverageCells({
  service,
  route,
  coverage,
}: Awaited<ReturnType<Differences["coverage"]>>[number]): string[] {
  const skipped = [...coverage.skipped].map(([reason, count]) => `${reason} ${count}`).join(", ");
  const { eligible, matched, masked, different, race, failed } = coverage;
  return [
    service,
    route,
    ...[eligible, matched, masked, different, race, failed, pending(coverage)].map(String),
    skipped || "-",
  ];
}
