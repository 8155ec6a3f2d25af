/**
 * What a request costs the gateway: CPU of its process for each kind of request, in rounds that take turns, so that a
 * busy machine disturbs all kinds alike. The last column, a multiple of the plain GET of the same round, is what can be
 * compared between machines. Arguments name the kinds to run (for a profile of one); none: all.
 */
import { Redis } from "ioredis";
import type { Batch } from "./parts/load.ts";
import { setStage, type Stage } from "./parts/stage.ts";
import { median, table } from "./parts/table.ts";

const rounds = 7;
const perRound = 1000;

/** Whose CPU is counted; "service": nobody's. Default: the gateway's. */
type Kind = Partial<Batch> & Pick<Batch, "path"> & { readonly of?: "service" | "pass-through" };

const stage = await setStage();
const redis = new Redis(stage.redis.url);
try {
  console.log(`gateway: ready ${stage.startMs.toFixed(0)} ms after the start of its process\n`);
  const wanted = process.argv.slice(2);
  const kinds = Object.fromEntries(
    Object.entries(await kindsOf(stage)).filter(([name]) => wanted.length === 0 || wanted.includes(name)),
  );
  const seen = new Map(Object.keys(kinds).map((name) => [name, [] as Figures[]]));
  for (const kind of Object.values(kinds)) await run(kind, "warm"); // compiles the hot code
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, kind] of Object.entries(kinds)) seen.get(name)!.push(await run(kind, `r${round}`));
  }
  const plain = seen.get("plain GET");
  const rows = [...seen].map(([name, figures]) => [
    name,
    micros(median(figures.map(({ cpu }) => cpu))),
    times(figures.map(({ cpu }, i) => cpu / (plain?.[i]!.cpu ?? NaN))),
    micros(median(figures.map(({ redisCpu }) => redisCpu))),
    median(figures.map(({ rate }) => rate)).toFixed(0),
    median(figures.map(({ p50 }) => p50)).toFixed(1),
    median(figures.map(({ p99 }) => p99)).toFixed(1),
  ]);
  console.log(
    table(["request", "gateway CPU", "x plain GET", "Redis CPU", "requests/s", "p50 ms", "p99 ms"], rows),
  );
} finally {
  redis.disconnect();
  await stage.close();
}

interface Figures {
  /** Microseconds of one request. */
  readonly cpu: number;
  readonly redisCpu: number;
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
}

async function kindsOf({ load, service, passThrough }: Stage): Promise<Record<string, Kind>> {
  const post = { method: "POST", bodyBytes: 1024 } as const;
  const known = await load({ ...post, path: "/keyed/charges", keys: "known", count: 1, concurrency: 1 });
  const id = String(known.headers["sticky-process-id"]);
  return {
    "straight to the service": { path: "/", origin: service, of: "service" },
    "bare pass-through": { path: "/plain/", origin: passThrough, of: "pass-through" },
    "plain GET": { path: "/plain/" },
    "plain POST 1 KiB": { ...post, path: "/plain/" },
    "keyed, new": { ...post, path: "/keyed/charges", keys: "new" },
    "keyed, replay": { ...post, path: "/keyed/charges", keys: "known", sharedBy: Number.MAX_SAFE_INTEGER },
    "keyed, 50 join one": { ...post, path: "/keyed/slow", keys: "join", sharedBy: 50, concurrency: 50 },
    "identity request, 202": { ...post, path: "/asked/jobs", distinct: "new", status: 202 },
    "status poll": { path: `/_sticky/v1/processes/${id}` },
    "cache hit 1 KiB": { path: "/cached/item" },
    "cache hit 64 KiB": { path: "/cached/large" },
    "cache miss 1 KiB": { path: "/cached/item", distinct: "new" },
    "404 problem": { path: "/nothing", status: 404 },
  };
}

async function run({ of, ...kind }: Kind, round: string): Promise<Figures> {
  // Each round has keys and queries of its own, but for the replay of a known key.
  const fresh = {
    ...(kind.keys == null || kind.keys === "known" ? {} : { keys: `${kind.keys}-${round}` }),
    ...(kind.distinct == null ? {} : { distinct: `${kind.distinct}-${round}` }),
  };
  const whose = of === "pass-through" ? of : "gateway";
  const before = await stage.measure("cpu", whose);
  const redisBefore = await redisCpu();
  const { ms, p50Ms, p99Ms } = await stage.load({ ...kind, ...fresh, count: perRound });
  await stage.rest();
  const redisAfter = await redisCpu();
  const after = await stage.measure("cpu", whose);
  return {
    cpu: of === "service" ? 0 : (after.cpuMicros - before.cpuMicros) / perRound,
    redisCpu: of === undefined ? (redisAfter - redisBefore) / perRound : 0,
    rate: (perRound / ms) * 1000,
    p50: p50Ms,
    p99: p99Ms,
  };
}

async function redisCpu(): Promise<number> {
  const info = await redis.info("cpu");
  const of = (field: string): number => Number(new RegExp(`^${field}:(.*)$`, "m").exec(info)?.[1] ?? 0);
  return (of("used_cpu_user") + of("used_cpu_sys")) * 1e6;
}

function micros(value: number): string {
  return value === 0 ? "" : `${value.toFixed(0)} µs`;
}

function times(ratios: readonly number[]): string {
  const ratio = median(ratios);
  return ratio > 0 ? ratio.toFixed(2) : "";
}
