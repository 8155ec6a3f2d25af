import { readFileSync } from "node:fs";
import { showUrl, topKeys, warmCache, type UrlView, type Visit } from "@sticky-proxy/operations";
import { sleep } from "@sticky-proxy/runtime";
import { exitCodes, parseFlags, UsageError, type Command, type Io, type Parsed } from "../command.ts";
import { tellAssumed, withCache, type CacheOperator } from "../connections/cache.ts";
import { clearCache, purgeFlags, purgeUsage } from "./clear-cache.ts";
import { countFlag, textFlag } from "../flags.ts";
import { plain, table } from "../printing/table.ts";

export const command: Command = {
  summary: "look into the cache, purge it, warm it",
  usage: [
    `cache purge ${purgeUsage}`,
    "cache show URL [--json]",
    "cache top [--limit 20] [--json]",
    "cache warm FILE [--rate 10] [--gateway URL]",
  ].join("\n  sticky-proxy "),
  run(args, io) {
    const [verb, ...rest] = args;
    if (verb === "warm") return warmFrom(rest, io);
    const json = { json: { type: "boolean" }, limit: { type: "string" } } as const;
    if (verb === "purge")
      return withCache(rest, io, { flags: purgeFlags, maxWords: 0 }, (operator, parsed) =>
        clearCache(operator, parsed, io, false),
      );
    if (verb === "show")
      return withCache(rest, io, { flags: json, maxWords: 1 }, (operator, parsed) =>
        show(operator, parsed, io),
      );
    if (verb === "top")
      return withCache(rest, io, { flags: json, maxWords: 0 }, (operator, parsed) =>
        top(operator, parsed, io),
      );
    throw new UsageError("cache what? purge, show, top or warm");
  },
};

type Out = Pick<Io, "out" | "err">;

/** Prints what is stored for one URL; exit code 1: nothing. @throws UsageError, CacheUnavailable */
export async function show(operator: CacheOperator, { flags, words }: Parsed, io: Out): Promise<number> {
  const [url] = words;
  if (url === undefined) throw new UsageError("which URL?");
  tellAssumed(operator, io);
  const views = await showUrl(operator, url);
  if (views === null) {
    io.err(`${plain(url)}: no service has that URL`);
    return exitCodes.failed;
  }
  if (flags["json"] === true) io.out(JSON.stringify(views));
  else if (views.length === 0) io.err(`${plain(url)}: nothing is stored`);
  else for (const view of views) for (const line of viewLines(view)) io.out(line);
  return views.some(({ variants }) => variants.length > 0) ? exitCodes.ok : exitCodes.failed;
}

function viewLines({ service, key, hits, notStored, variants }: UrlView): string[] {
  const head = [`service ${service}`, `key ${key}`, `hits ${hits}`];
  if (notStored !== null) head.push(`last response not stored: ${notStored}`);
  const seconds = (ms: number): string => `${Math.floor(ms / 1000)}s`;
  const rows = variants.map((variant) => [
    String(variant.status),
    variant.isStale ? "stale" : "fresh",
    seconds(variant.ageMs),
    seconds(variant.ttlMs),
    variant.lifetimeFrom,
    String(variant.bytes),
    variant.varyNames.join(",") || "-",
    variant.tags.join(" ") || "-",
  ]);
  if (rows.length === 0) return head;
  return [...head, ...table(["STATUS", "STATE", "AGE", "TTL", "FROM", "BYTES", "VARY", "TAGS"], rows)];
}

/** Prints the most used keys. @throws UsageError */
export async function top(operator: CacheOperator, { flags }: Parsed, io: Out): Promise<number> {
  const { keys, totalBytes } = await topKeys(operator, countFlag("limit", flags["limit"], 20, 1000));
  if (flags["json"] === true) {
    io.out(JSON.stringify({ keys, totalBytes }));
    return exitCodes.ok;
  }
  const rows = keys.map(({ hits, bytes, url }) => [String(hits), String(bytes), url]);
  for (const line of table(["HITS", "BYTES", "URL"], rows)) io.out(line);
  return exitCodes.ok;
}

/** Requests through the gateway, so that a warmed response is stored like any other. */
async function warmFrom(args: readonly string[], io: Io): Promise<number> {
  const own = { rate: { type: "string" }, gateway: { type: "string" } } as const;
  const { flags, words } = parseFlags(args, own, { only: [], maxWords: 1 });
  const [file] = words;
  if (file === undefined) throw new UsageError("warm what? give a file with one URL or path on each line");
  const gateway = textFlag(flags["gateway"]) ?? "http://127.0.0.1:8080";
  if (!URL.canParse(gateway)) throw new UsageError("--gateway takes a URL");
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const rate = countFlag("rate", flags["rate"], 10, 10_000);
  return warm({ text, gateway, rate, visit, sleep: (ms) => sleep(ms) }, io);
}

/**
 * One URL or path on each line of `text`; empty lines and lines that begin with "#" are skipped. Exit code 0: every
 * response had a status below 400.
 */
export async function warm(
  {
    text,
    ...options
  }: { readonly text: string } & Omit<Parameters<typeof warmCache>[0], "urls" | "onFailure">,
  io: Out,
): Promise<number> {
  const lines = text.split("\n").map((line) => line.trim());
  const urls = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const { requested, counts, failed } = await warmCache({
    ...options,
    urls,
    onFailure: (url, why) => io.err(`${url}: ${why}`),
  });
  const told = [...counts].map(([result, count]) => `${count} ${result}`).join(", ");
  io.out(
    `${requested} requested${told === "" ? "" : `: ${told}`}${failed === 0 ? "" : `; ${failed} failed`}`,
  );
  return failed === 0 ? exitCodes.ok : exitCodes.failed;
}

const visit: Visit = async (url) => {
  const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(60_000) });
  await response.body?.pipeTo(new WritableStream()); // a response is stored only when it is complete
  return { status: response.status, result: response.headers.get("x-cache") };
};
