import { purgeCache, type PurgeRequest } from "@sticky-proxy/operations";
import type { Service } from "@sticky-proxy/core/registry";
import { exitCodes, UsageError, type Command, type Io, type Parsed } from "../command.ts";
import { whyFlag } from "../connections/audit.ts";
import { tellAssumed, withCache, type CacheOperator } from "../connections/cache.ts";
import { textFlag } from "../flags.ts";

export const purgeFlags = {
  url: { type: "string" },
  prefix: { type: "string" },
  tag: { type: "string", multiple: true },
  group: { type: "string" },
  service: { type: "string" },
  all: { type: "boolean" },
  soft: { type: "boolean" },
  json: { type: "boolean" },
  ...whyFlag,
} as const;

export const purgeUsage =
  "[--url URL | --prefix PATH | --tag TAG… | --group GROUP [--service NAME] | --service NAME | --all] [--soft] [--why TEXT] [--json]";

export const command: Command = {
  summary: "take responses out of the cache: all, or by URL, prefix, tag, group, service",
  usage: `clear-cache ${purgeUsage}`,
  run: (args, io) =>
    withCache(args, io, { flags: purgeFlags, maxWords: 0 }, (operator, parsed) =>
      clearCache(operator, parsed, io, true),
    ),
};

/** @param allByDefault without a selection everything is purged; else that is an error. @throws UsageError, CacheUnavailable */
export async function clearCache(
  operator: CacheOperator,
  { flags }: Parsed,
  io: Pick<Io, "out" | "err">,
  allByDefault: boolean,
): Promise<number> {
  const soft = flags["soft"] === true;
  const [url, prefix, group, service] = ["url", "prefix", "group", "service"].map((way) =>
    textFlag(flags[way]),
  );
  if (url !== null || prefix !== null || (group !== null && service === null)) tellAssumed(operator, io);
  for (const { request, what } of selected(flags, operator.services, allByDefault)) {
    const done = await operator.act(
      { action: "cache.purge", target: what },
      flags,
      () => purgeCache(operator, request, soft),
      ({ outcome }) => outcome,
    );
    // The fields of the log event of a PURGE, so that one audit reads both.
    if (flags["json"] === true) io.out(JSON.stringify({ event: "cache.purged", ...request, ...done, soft }));
    if (done.outcome === "unknown-url") {
      io.err(`${what}: no service has that URL`);
      return exitCodes.failed;
    }
    if (done.outcome === "incomplete") {
      io.err(`${what}: ${done.missing.length} partitions did not acknowledge; repeat the purge`);
      return exitCodes.unavailable;
    }
    const came = done.held === false ? "nothing was stored" : soft ? "stale from now" : "gone";
    if (flags["json"] !== true) io.out(`${what}: ${came}`);
  }
  return exitCodes.ok;
}

interface Selected {
  readonly request: PurgeRequest;
  readonly what: string;
}

/** @throws UsageError unless exactly one way of selecting was chosen */
function selected(flags: Parsed["flags"], services: readonly Service[], allByDefault: boolean): Selected[] {
  const url = textFlag(flags["url"]);
  const prefix = textFlag(flags["prefix"]);
  const group = textFlag(flags["group"]);
  const service = textFlag(flags["service"]);
  const given: unknown = flags["tag"];
  const tags = Array.isArray(given) ? given.map(String) : [];
  const isAll = flags["all"] === true;
  const ways = [url !== null, prefix !== null, group !== null || service !== null, tags.length > 0, isAll];
  const count = ways.filter(Boolean).length;
  if (count > 1) throw new UsageError("choose one of --url, --prefix, --tag, --group, --service, --all");
  if (count === 0 && !allByDefault)
    throw new UsageError("purge what? give --url, --prefix, --tag, --group, --service or --all");
  if (url !== null) return [{ request: { kind: "url", url }, what: url }];
  if (prefix !== null) return [{ request: { kind: "url-prefix", url: prefix }, what: `${prefix}…` }];
  if (tags.length > 0) return tags.map((tag) => ({ request: { kind: "tag", tag }, what: `tag ${tag}` }));
  if (group !== null) {
    const name = service ?? only(services);
    return [{ request: { kind: "group", service: name, group }, what: `group ${group} of ${name}` }];
  }
  if (service !== null) return [{ request: { kind: "service", service }, what: `service ${service}` }];
  return [{ request: { kind: "all" }, what: "everything" }];
}

/** @throws UsageError when there are several */
function only(services: readonly Service[]): string {
  const [first, ...more] = services;
  if (first === undefined || more.length > 0) throw new UsageError("whose group? give --service");
  return first.name;
}
