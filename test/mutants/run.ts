/**
 * npm run mutants -- [folder or file …] [--sample N] [--seed N] [--base REV] [--most N] [--goal PERCENT]
 *                [--jobs N] [--verbose]
 *
 * Tries small faults in the sources, one at a time, against the unit tests beside them (Lua: against the store's
 * contracts on Redis), and lists those that no test noticed. `--sample`: at most so many of a file, drawn with the seed
 * that is printed. `--base REV`: only the files that changed since REV; `--most`: so many in all. Exit code 1 when less
 * than `--goal` was noticed, or when a test fails without any fault. `--verbose`: which test noticed each.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { readSources } from "../architecture/sources.ts";
import { testsOf } from "./choose-tests.ts";
import { isEquivalent } from "./equivalent.ts";
import { luaMutantsOf, mutantsOf, type Mutant } from "./mutations.ts";
import { createTrials, type Trials } from "./trials.ts";

const root = path.join(import.meta.dirname, "../..");
const luaTests: readonly (readonly [folder: string, tests: readonly string[]])[] = [
  [
    "packages/store/src/process/",
    ["test/contracts/process-store.test.ts", "test/store/process-store.test.ts"],
  ],
  ["packages/store/src/cache/", ["test/cache/store-contract.test.ts", "test/cache/redis-store.test.ts"]],
  ["packages/store/src/mirror/", ["test/mirror/outbox-redis.test.ts"]],
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sample: { type: "string", default: "60" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
    base: { type: "string" },
    most: { type: "string", default: "Infinity" },
    goal: { type: "string", default: "0" },
    verbose: { type: "boolean", default: false },
    jobs: { type: "string", default: String(os.availableParallelism()) },
  },
});
const sample = Number(values.sample);
const seed = Number(values.seed);
const sources = readSources(root);

interface Tried extends Mutant {
  readonly file: string;
  readonly tests: readonly string[];
}

/** A small generator (mulberry32): the same seed draws the same sample. */
function drawer(from: number): () => number {
  let state = from >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function chosenFiles(): string[] {
  const listed = execFileSync("git", ["ls-files", "packages", "services"], { cwd: root, encoding: "utf8" });
  const changed =
    values.base === undefined
      ? null
      : new Set(
          execFileSync("git", ["diff", "--name-only", values.base], { cwd: root, encoding: "utf8" }).split(
            "\n",
          ),
        );
  return listed
    .trim()
    .split("\n")
    .filter(
      (file) =>
        /\.(ts|lua)$/.test(file) &&
        !/\.test\.ts$|\.d\.ts$|\/testing\/|\/index\.ts$|^packages\/testkit\//.test(file),
    )
    .filter((file) => !file.includes("/fragments/") && !file.startsWith("services/demo/"))
    .filter(
      (file) =>
        positionals.length === 0 ||
        positionals.some((part) => file === part || file.startsWith(`${part.replace(/\/$/, "")}/`)),
    )
    .filter((file) => changed === null || changed.has(file));
}

function mutantsIn(file: string): Tried[] {
  const text = readFileSync(path.join(root, file), "utf8");
  const isLua = file.endsWith(".lua");
  const tests = isLua
    ? (luaTests.find(([home]) => file.startsWith(home))?.[1] ?? [])
    : testsOf(file, sources);
  const all = (isLua ? luaMutantsOf(text) : mutantsOf(file, text))
    .filter((mutant) => !isEquivalent(file, mutant))
    .map((mutant) => ({ ...mutant, file, tests }));
  const draw = drawer(seed);
  return all
    .map((mutant) => ({ mutant, place: draw() }))
    .sort((a, b) => a.place - b.place)
    .slice(0, sample)
    .map(({ mutant }) => mutant)
    .sort((a, b) => a.line - b.line);
}

interface Sum {
  tried: number;
  noticed: number;
}

/** Tries them file by file, so that a process that tries many loads few modules anew. Returns what no test noticed. */
async function tryAll(work: readonly Tried[], sums: Map<string, Sum>): Promise<Tried[] | null> {
  const survivors: Tried[] = [];
  const files = [...Map.groupBy(work, ({ file }) => file).values()].values();
  let unsound: string | null = null;
  async function tryFiles(trials: Trials): Promise<void> {
    for (const mutants of files) {
      const [{ file, tests }] = mutants as [Tried, ...Tried[]];
      if (tests.length > 0) unsound ??= await trials.prepare(tests);
      if (unsound !== null) return;
      for (const mutant of mutants) {
        const by = tests.length === 0 ? null : await trials.try(file, mutant.text, tests);
        if (values.verbose) console.log(`${file}:${mutant.line}  ${mutant.from}  ->  ${mutant.to}: ${by}`);
        const sum = sums.get(file) ?? { tried: 0, noticed: 0 };
        sums.set(file, { tried: sum.tried + 1, noticed: sum.noticed + (by === null ? 0 : 1) });
        if (by === null) survivors.push(mutant);
      }
    }
  }
  await Promise.all(
    Array.from({ length: Number(values.jobs) }, async () => {
      const trials = createTrials(root);
      for (const signal of ["SIGINT", "SIGTERM"] as const)
        process.once(signal, () => {
          trials.end();
          process.exit(1);
        });
      await tryFiles(trials).finally(() => trials.end());
    }),
  );
  if (unsound === null) return survivors;
  console.error(`without any fault: ${unsound as string}`);
  return null;
}

async function main(): Promise<number> {
  console.log(`seed ${seed}, at most ${sample} mutants of a file`);
  const sums = new Map<string, Sum>();
  const survivors = await tryAll(thinned(chosenFiles().flatMap(mutantsIn)), sums);
  if (survivors === null) return 1;
  survivors.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line));
  for (const { file, line, from, to, tests } of survivors)
    console.log(`${file}:${line}  ${from}  ->  ${to}${tests.length === 0 ? "  (no test reaches it)" : ""}`);
  const perFolder = Map.groupBy([...sums].sort(), ([file]) => path.posix.dirname(file));
  for (const [home, files] of perFolder)
    console.log(
      told(
        home,
        files.map(([, sum]) => sum),
      ),
    );
  const all = [...sums.values()];
  console.log(told("all", all));
  const { tried, noticed } = total(all);
  return tried === 0 || percent(noticed, tried) >= Number(values.goal) ? 0 : 1;
}

function total(sums: readonly Sum[]): Sum {
  const add = (a: Sum, b: Sum): Sum => ({ tried: a.tried + b.tried, noticed: a.noticed + b.noticed });
  return sums.reduce(add, { tried: 0, noticed: 0 });
}

function told(name: string, sums: readonly Sum[]): string {
  const { tried, noticed } = total(sums);
  return `${name}: ${noticed} of ${tried} noticed (${percent(noticed, tried)} %)`;
}

/** At most `--most` of them, drawn with the seed. */
function thinned(mutants: readonly Tried[]): readonly Tried[] {
  const draw = drawer(seed + 1);
  return mutants
    .map((mutant) => ({ mutant, place: draw() }))
    .sort((a, b) => a.place - b.place)
    .slice(0, Number(values.most))
    .map(({ mutant }) => mutant);
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.round((1000 * part) / whole) / 10;
}

process.exitCode = await main();
