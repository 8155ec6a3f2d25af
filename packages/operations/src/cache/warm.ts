/** Requests URLs at a bounded rate, so that the cache holds their responses before anybody asks. */

/** Requests a URL and reads its body to the end; `result` is its X-Cache, null: the response has none. */
export type Visit = (url: string) => Promise<{ readonly status: number; readonly result: string | null }>;

export interface WarmOptions {
  /** Absolute URLs, or paths below `gateway`. */
  readonly urls: readonly string[];
  /** Base URL of the paths. */
  readonly gateway: string;
  /** Requests begun per second. */
  readonly rate: number;
  readonly visit: Visit;
  readonly sleep: (ms: number) => Promise<void>;
  /** `why`: the status, or what hindered the request. */
  readonly onFailure: (url: string, why: string) => void;
}

export interface Warmed {
  readonly requested: number;
  /** Responses by their X-Cache; `uncached`: those without. */
  readonly counts: ReadonlyMap<string, number>;
  /** No response, or one with a status of 400 or more. */
  readonly failed: number;
}

const maxInFlight = 32;

export async function warmCache(options: WarmOptions): Promise<Warmed> {
  const { urls, gateway, rate, visit, sleep, onFailure } = options;
  const counts = new Map<string, number>();
  const running = new Set<Promise<void>>();
  let failed = 0;

  async function one(url: string): Promise<void> {
    const why = await visit(new URL(url, gateway).href).then(
      ({ status, result }) => {
        counts.set(result ?? "uncached", (counts.get(result ?? "uncached") ?? 0) + 1);
        return status < 400 ? null : String(status);
      },
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (why === null) return;
    failed++;
    onFailure(url, why);
  }

  for (const [i, url] of urls.entries()) {
    if (i > 0) await sleep(1000 / rate);
    if (running.size >= maxInFlight) await Promise.race(running);
    const visiting = one(url).finally(() => running.delete(visiting));
    running.add(visiting);
  }
  await Promise.all(running);
  return { requested: urls.length, counts, failed };
}
