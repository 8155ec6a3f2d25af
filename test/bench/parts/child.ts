/** A child process that is asked and answers, one question at a time. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";

export interface Child {
  readonly pid: number;
  /** Everything it has written to stderr so far. */
  readonly errors: () => string;
  ask<Answer>(question: unknown): Promise<Answer>;
  /** SIGTERM, then SIGKILL when it is still there after 10 s. */
  end(): Promise<void>;
}

/** @param args of node: flags, file, arguments. Its output is read and thrown away, as a log collector would read it. */
export function startChild(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Child {
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe", "ipc"] });
  let errors = "";
  (child.stdout as Readable).resume();
  (child.stderr as Readable).setEncoding("utf8").on("data", (text: string) => (errors += text));
  return {
    pid: child.pid!,
    errors: () => errors,
    async ask<Answer>(question: unknown) {
      const ended = new AbortController();
      const answer = once(child, "message", { signal: ended.signal });
      const onExit = (): void => ended.abort(new Error(`the child ended: ${errors.slice(-2000)}`));
      child.once("exit", onExit);
      try {
        if (question !== null) child.send(question as object);
        const [value] = (await answer) as [Answer];
        return value;
      } finally {
        child.off("exit", onExit);
      }
    },
    end: () => endOf(child),
  };
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  const hard = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await exit;
  clearTimeout(hard);
}
