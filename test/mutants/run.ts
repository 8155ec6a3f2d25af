/**
 * npm run mutants -- [folder or file …] [--sample N] [--seed N] [--base REV] [--most N] [--goal PERCENT]
 *
 * Tries small faults in the sources, one at a time, against the unit tests beside them (Lua: against the store's
 * contracts on Redis), and lists those that no test noticed. `--sample`: at most so many of a file, drawn with the seed
 * that is printed. `--base REV`: only the files that changed since REV; `--most`: so many in all. Exit code 1 when less
 * than `--goal` was noticed, or when a test fails without any fault.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { readSources } from "../architecture/sources.ts";
import { testsOf } from "./choose-tests.ts";
import { luaMutantsOf, mutantsOf, type Mutant } from "./mutations.ts";

const root = path.join(import.meta.dirname, "../..");
const mocha = path.join(root, "node_modules/mocha/bin/mocha.js");
const hook = path.join(import.meta.dirname, "replace-source.mjs");
const maxMs = 60_000;
/** Tests that need long and tell nothing more of a script. */
const quick = "^(?!.*(100,000|Cluster)).*$";
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
    jobs: { type: "string", default: String(os.availableParallelism()) },
  },
});
const sample = Number(values.sample);
const seed = Number(values.seed);
const folder = mkdtempSync(path.join(os.tmpdir(), "sticky-mutants-"));
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
  const all = (isLua ? luaMutantsOf(text) : mutantsOf(file, text)).map((mutant) => ({
    ...mutant,
    file,
    tests,
  }));
  const draw = drawer(seed);
  return all
    .map((mutant) => ({ mutant, place: draw() }))
    .sort((a, b) => a.place - b.place)
    .slice(0, sample)
    .map(({ mutant }) => mutant)
    .sort((a, b) => a.line - b.line);
}

/** Whether some test failed, or the mutant ended or hung the run. */
function isNoticed({ file, text, tests }: Tried, slot: number): Promise<boolean> {
  const place = path.join(folder, `${slot}.txt`);
  writeFileSync(place, text);
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      ["--import", hook, mocha, "--bail", "--reporter", "min", "--exit", "--grep", quick, ...tests],
      {
        cwd: root,
        stdio: "ignore",
        env: { ...process.env, STICKY_MUTANT_FILE: path.join(root, file), STICKY_MUTANT_TEXT: place },
        // A group of its own: a run that hangs is ended with the Redis that it may have started.
        detached: true,
      },
    );
    const hung = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), maxMs);
    child.once("exit", (code) => {
      clearTimeout(hung);
      resolve(code !== 0);
    });
  });
}

async function main(): Promise<number> {
  const queue = chosenFiles().map((file) => ({ file, mutants: mutantsIn(file) }));
  console.log(`seed ${seed}, at most ${sample} mutants of a file`);
  let tried = 0;
  let noticed = 0;
  const perFolder = new Map<string, { tried: number; noticed: number }>();
  const work = thinned(queue.flatMap(({ mutants }) => mutants));
  for (const tests of new Map(work.map((mutant) => [mutant.tests.join(" "), mutant.tests])).values()) {
    const [first] = work;
    const sound = { ...first!, file: "none", text: "", tests };
    if (tests.length > 0 && (await isNoticed(sound, 0))) {
      console.error(`these tests fail without any fault: ${tests.join(" ")}`);
      return 1;
    }
  }
  const survivors: Tried[] = [];
  const next = work.values();
  await Promise.all(
    Array.from({ length: Number(values.jobs) }, async (_, slot) => {
      for (const mutant of next) {
        const isFound = mutant.tests.length > 0 && (await isNoticed(mutant, slot));
        const home = path.posix.dirname(mutant.file);
        const sum = perFolder.get(home) ?? { tried: 0, noticed: 0 };
        perFolder.set(home, { tried: sum.tried + 1, noticed: sum.noticed + (isFound ? 1 : 0) });
        tried++;
        if (isFound) noticed++;
        else survivors.push(mutant);
      }
    }),
  );
  survivors.sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line));
  for (const { file, line, from, to, tests } of survivors)
    console.log(`${file}:${line}  ${from}  ->  ${to}${tests.length === 0 ? "  (no test reaches it)" : ""}`);
  for (const [home, sum] of [...perFolder].sort())
    console.log(`${home}: ${sum.noticed} of ${sum.tried} noticed (${percent(sum.noticed, sum.tried)} %)`);
  console.log(`all: ${noticed} of ${tried} noticed (${percent(noticed, tried)} %)`);
  return tried === 0 || percent(noticed, tried) >= Number(values.goal) ? 0 : 1;
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

try {
  process.exitCode = await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
