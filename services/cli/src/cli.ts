/**
 * `sticky-proxy <command> [options]`. A command is loaded when it is called, so that `check-config` does not load
 * the modules of the data plane.
 */
import { createInterface } from "node:readline/promises";
import { environment } from "@sticky-proxy/runtime/environment";
import { InvalidCursor } from "@sticky-proxy/core/process";
import { exitCodes, UsageError, type Command, type Io } from "./command.ts";
import { didYouMean } from "./nearest.ts";
import { visible } from "./printing/visible.ts";

/** One line per command. */
export const commands: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  serve: () => import("./commands/serve.ts"),
  init: () => import("./commands/init.ts"),
  "check-config": () => import("./commands/check-config.ts"),
  explain: () => import("./commands/explain.ts"),
  "print-config": () => import("./commands/print-config.ts"),
  ps: () => import("./commands/ps.ts"),
  show: () => import("./commands/show.ts"),
  wait: () => import("./commands/wait.ts"),
  cancel: () => import("./commands/cancel.ts"),
  force: () => import("./commands/force.ts"),
  holders: () => import("./commands/holders.ts"),
  dlq: () => import("./commands/dlq.ts"),
  audit: () => import("./commands/audit.ts"),
  cache: () => import("./commands/cache.ts"),
  keys: () => import("./commands/keys.ts"),
  token: () => import("./commands/token.ts"),
  mirror: () => import("./commands/mirror.ts"),
  "clear-cache": () => import("./commands/clear-cache.ts"),
  completion: () => import("./commands/completion.ts"),
  help: () => import("./commands/help.ts"),
  version: () => import("./commands/version.ts"),
};

/** The command that `argv` names: its first word, or a flag form as other proxies have it. */
export function selectCommand(argv: readonly string[]): {
  readonly name: string;
  readonly args: readonly string[];
} {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h") return { name: "help", args: rest };
  if (first === "--version" || first === "-v") return { name: "version", args: rest };
  if (!first.startsWith("-")) {
    const isAsking = rest.includes("--help") || rest.includes("-h");
    return isAsking ? { name: "help", args: [first] } : { name: first, args: rest };
  }
  const others = argv.filter((arg) => arg !== "--clear-cache");
  if (others.length < argv.length) return { name: "clear-cache", args: others };
  return { name: "serve", args: argv };
}

/** Resolves to the exit code. */
export async function runCli(argv: readonly string[], terminal: Io): Promise<number> {
  const io: Io = {
    out: (line) => terminal.out(visible(line)),
    err: (line) => terminal.err(visible(line)),
    env: terminal.env,
    ...(terminal.ask === undefined ? {} : { ask: terminal.ask }),
  };
  const { name, args } = selectCommand(argv);
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    io.err(
      `sticky-proxy: there is no command "${name}"${didYouMean(name, Object.keys(commands))}; try: sticky-proxy help`,
    );
    return exitCodes.usage;
  }
  try {
    const { command } = await load();
    return await command.run(args, io);
  } catch (error) {
    if (error instanceof UsageError || error instanceof InvalidCursor) {
      io.err(`sticky-proxy ${name}: ${error.message}; try: sticky-proxy help ${name}`);
      return exitCodes.usage;
    }
    io.err(
      `sticky-proxy ${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    return exitCodes.internal;
  }
}

/** One line that is typed at the terminal. */
async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question);
  } finally {
    lines.close();
  }
}

// `mirror export | head`: the reader closes the pipe when it has enough. That is not a failure.
if (import.meta.main)
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(exitCodes.ok);
  });

// No top-level await: `help` imports this file, and would wait for itself.
if (import.meta.main)
  void runCli(process.argv.slice(2), {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    env: environment,
    ...(process.stdin.isTTY ? { ask } : {}),
  }).then((code) => process.exit(code));
