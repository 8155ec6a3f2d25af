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

type Kind = Partial<Batch> & Pick<Batch, "path">;

const stage = await setStage();
const redis = new Redis(stage.redis.url);
try {
  console.log(`gateway: ready ${stage.startMs.toFixed(0)} ms after the start of its process\n`);
  const wanted = process.argv.slice(2);
  const kinds = Object.fromEntries(
    Object.entries(await kindsOf(stage)).filter(([name]) => wanted.length === 0 || wanted.includes(name)),
  );
  const seen = new Map(Object.keys(kinds).map((name) => [name, [] as Figures[]]));
  for (const [name, kind] of Object.entries(kinds)) await run(name, kind, "warm"); // compiles the hot code
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, kind] of Object.entries(kinds))
      seen.get(name)!.push(await run(name, kind, `r${round}`));
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

async function kindsOf({ load, service }: Stage): Promise<Record<string, Kind>> {
  const post = { method: "POST", bodyBytes: 1024 } as const;
  const known = await load({ ...post, path: "/keyed/charges", keys: "known", count: 1, concurrency: 1 });
  const id = String(known.headers["sticky-process-id"]);
  return {
    "straight to the service": { path: "/", origin: service },
    "plain GET": { path: "/plain/" },
    "plain POST 1 KiB": { ...post, path: "/plain/" },
    "keyed, new": { ...post, path: "/keyed/charges", keys: "new" },
    "keyed, replay": { ...post, path: "/keyed/charges", keys: "known", sharedBy: Number.MAX_SAFE_INTEGER },
    "keyed, 50 join one": { ...post, path: "/keyed/slow", keys: "join", sharedBy: 50, concurrency: 50 },
    "status poll": { path: `/_sticky/v1/processes/${id}` },
    "404 problem": { path: "/nothing", status: 404 },
  };
}

async function run(name: string, kind: Kind, round: string): Promise<Figures> {
  // Each round has keys of its own, but for the replay of a known one.
  const keys = kind.keys === "known" || kind.keys === undefined ? {} : { keys: `${kind.keys}-${round}` };
  const before = await stage.measure("cpu");
  const redisBefore = await redisCpu();
  const { ms, p50Ms, p99Ms } = await stage.load({ ...kind, ...keys, count: perRound });
  const redisAfter = await redisCpu();
  const after = await stage.measure("cpu");
  const isDirect = name === "straight to the service";
  return {
    cpu: isDirect ? 0 : (after.cpuMicros - before.cpuMicros) / perRound,
    redisCpu: isDirect ? 0 : (redisAfter - redisBefore) / perRound,
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
