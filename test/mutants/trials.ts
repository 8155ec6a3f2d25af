/**
 * Processes that try mutants. One tries many, since starting mocha costs more than most tests; it is started anew when a
 * mutant hung it or may have left something running, and now and then, as every trial keeps its modules.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

export interface Trials {
  /** Runs the tests without a fault and learns who imports whom. @returns the test that fails; null: none */
  prepare(tests: readonly string[]): Promise<string | null>;
  /** @returns what noticed: the name of a test, or how the run ended; null: nothing did */
  try(file: string, text: string, tests: readonly string[]): Promise<string | null>;
  end(): void;
}

interface Answer {
  readonly by: string | null;
  readonly isClean: boolean;
}

const maxTrials = 200;
const minTestMs = 5000;
const minHangMs = 20_000;
/** Without a fault nothing hangs, but the machine may be busy. */
const soundHangMs = 600_000;
/** Of the store's contracts those that need long tell nothing more of a script. */
const quick = "^(?!.*(100,000|Cluster)).*$";

/** @param root the project's, absolute */
export function createTrials(root: string): Trials {
  let child: ChildProcess | null = null;
  let prepared = "";
  let trials = 0;
  let soundMs = 0;

  function end(): void {
    // A group of its own: what hangs is ended with the Redis that its tests may have started.
    if (child?.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGKILL");
    child = null;
    prepared = "";
    trials = 0;
  }

  async function ask(message: object, maxMs: number): Promise<Answer> {
    child ??= fork(path.join(import.meta.dirname, "try-mutants.mjs"), {
      cwd: root,
      detached: true,
      stdio: "ignore",
      execArgv: ["--import", path.join(import.meta.dirname, "replace-source.mjs")],
    });
    const asked = child;
    const hung = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => hung.resolve({ by: "it hangs", isClean: false }), maxMs);
    asked.send(message);
    const gone = new AbortController();
    try {
      return await Promise.race([
        once(asked, "message", gone).then(([answer]) => answer as Answer),
        once(asked, "exit", gone).then(() => ({ by: "the process ended", isClean: false })),
        hung.promise,
      ]);
    } finally {
      gone.abort();
      clearTimeout(timer);
    }
  }

  function message(file: string | null, text: string | null, tests: readonly string[]): object {
    return {
      file: file === null ? null : path.join(root, file),
      text,
      tests: tests.map((test) => path.join(root, test)),
      grep: tests.some((test) => test.startsWith("test/")) ? quick : "",
      // On a busy machine a slow test is no fault that was noticed.
      timeoutMs: file === null ? soundHangMs : Math.max(minTestMs, soundMs),
    };
  }

  async function prepare(tests: readonly string[]): Promise<string | null> {
    if (prepared === tests.join(" ")) return null;
    const startedAt = performance.now();
    const { by } = await ask(message(null, null, tests), soundHangMs);
    soundMs = performance.now() - startedAt;
    prepared = tests.join(" ");
    return by;
  }

  return {
    prepare,
    async try(file, text, tests) {
      await prepare(tests);
      const { by, isClean } = await ask(message(file, text, tests), Math.max(minHangMs, 10 * soundMs));
      trials += 1;
      if (!isClean || trials >= maxTrials) end();
      return by;
    },
    end,
  };
}
