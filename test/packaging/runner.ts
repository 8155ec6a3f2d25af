// Starts the project's runner as a user would, and sees what becomes of it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

export const root = path.join(import.meta.dirname, "../..");

export interface Run {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when the output (both streams) has the words; rejects with the output when the run ends before. */
  readonly says: (words: string) => Promise<void>;
  /** The exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
}

const begun = new Set<Run>();

/** Runs a command in a process group of its own, with an environment in which no Redis is named. */
export function begin(command: string, args: readonly string[], env: Record<string, string> = {}): Run {
  const { REDIS_URL: _, ...inherited } = process.env;
  const child = spawn(command, args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...inherited, ...env },
  });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].setEncoding("utf8").on("data", (text: string) => (output[stream] += text));
  }
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  const run: Run = {
    child,
    ended,
    stdout: () => output.stdout,
    stderr: () => output.stderr,
    async says(words) {
      let isOver = false;
      void ended.then(() => (isOver = true));
      while (!`${output.stdout}${output.stderr}`.includes(words)) {
        if (isOver) throw new Error(`it ended with ${await ended}:\n${output.stdout}${output.stderr}`);
        await delay(20);
      }
    },
  };
  begun.add(run);
  void ended.then(() => begun.delete(run));
  return run;
}

export function beginRunner(args: readonly string[], env: Record<string, string> = {}): Run {
  return begin(process.execPath, [path.join(root, "infra/run.mjs"), ...args], env);
}

/** For afterEach: nothing that a failed test began stays behind. */
export async function endAll(): Promise<void> {
  for (const run of begun) signalGroup(run, "SIGKILL");
  await Promise.all([...begun].map((run) => run.ended));
}

/** As a terminal does with Ctrl-C. */
export function signalGroup(run: Run, signal: NodeJS.Signals): void {
  try {
    process.kill(-(run.child.pid ?? 0), signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The living processes whose command line or environment has the words. Linux only. */
export function processesWith(words: string): string[] {
  const read = (pid: string, file: string): string => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8").replaceAll("\0", " ");
    } catch {
      return ""; // gone, or another user's
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .filter((pid) => `${read(pid, "cmdline")} ${read(pid, "environ")}`.includes(words))
    .map((pid) => `${pid} ${read(pid, "cmdline")}`);
}

/** Waits for the moment; the test's own timeout is the limit. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await delay(20);
}
