/** Warms the cache: requests URLs at a bounded rate and counts the X-Cache results. */
import { exitCodes, type Io } from "./command.ts";

/** Requests a URL and reads its body to the end; `result` is its X-Cache, null: the response has none. */
export type Visit = (url: string) => Promise<{ readonly status: number; readonly result: string | null }>;

export interface WarmOptions {
  /** One URL or path on each line; empty lines and lines that begin with "#" are skipped. */
  readonly text: string;
  /** Base URL of the paths. */
  readonly gateway: string;
  /** Requests begun per second. */
  readonly rate: number;
  readonly visit: Visit;
  readonly sleep: (ms: number) => Promise<void>;
}

const maxInFlight = 32;

/** Exit code 0: every response had a status below 400. */
export async function warm(options: WarmOptions, io: Pick<Io, "out" | "err">): Promise<number> {
  const lines = options.text.split("\n").map((line) => line.trim());
  const urls = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const counts = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let failed = 0;

  async function one(line: string): Promise<void> {
    try {
      const { status, result } = await options.visit(new URL(line, options.gateway).href);
      counts.set(result ?? "uncached", (counts.get(result ?? "uncached") ?? 0) + 1);
      if (status < 400) return;
      io.err(`${line}: ${status}`);
    } catch (error) {
      io.err(`${line}: ${error instanceof Error ? error.message : String(error)}`);
    }
    failed++;
  }

  for (const [i, url] of urls.entries()) {
    if (i > 0) await options.sleep(1000 / options.rate);
    if (running.size >= maxInFlight) await Promise.race(running);
    const visit = one(url).finally(() => running.delete(visit));
    running.add(visit);
  }
  await Promise.all(running);
  const told = [...counts].map(([result, count]) => `${count} ${result}`).join(", ");
  io.out(
    `${urls.length} requested${told === "" ? "" : `: ${told}`}${failed === 0 ? "" : `; ${failed} failed`}`,
  );
  return failed === 0 ? exitCodes.ok : exitCodes.failed;
}
