/**
 * The interface of a command. Each is in commands/<name>.ts, exports `command`, and has one line in cli.ts.
 * It writes through `io` only, and `run` resolves to its exit code.
 */
import { CodedError } from "@sticky-proxy/protocol";
import { parseArgs, type ParseArgsConfig } from "node:util";
import {
  loadConfig,
  options,
  readSources,
  type Config,
  type FlagValue,
  type Sources,
} from "@sticky-proxy/runtime";
import { didYouMean } from "./nearest.ts";
import { brokenSchemas } from "@sticky-proxy/proxy/body-schema";

/** Stable: scripts may rely on them (sysexits.h). */
export const exitCodes = { ok: 0, failed: 1, usage: 64, unavailable: 69, internal: 70, config: 78 } as const;

export interface Io {
  /** One line of standard output: the result. */
  out(line: string): void;
  /** One line of standard error: messages for people. */
  err(line: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Asks whoever sits at the terminal; absent: nobody does. */
  readonly ask?: (question: string) => Promise<string>;
}

export interface Command {
  /** One line for the list of commands. */
  readonly summary: string;
  /** After the program's name, e.g. "serve [proxy|sweeper] [options]". */
  readonly usage: string;
  run(args: readonly string[], io: Io): Promise<number>;
}

/** Wrong arguments; the message names them. */
export class UsageError extends CodedError {
  override readonly name = "UsageError";
  override readonly code = "USAGE";
}

export interface Parsed {
  readonly flags: Readonly<Record<string, FlagValue | undefined>>;
  readonly words: readonly string[];
}

type OwnFlags = NonNullable<ParseArgsConfig["options"]>;

/** Flags of the configuration (all of them, or `only` those) and a command's own; throws {@link UsageError}. */
export function parseFlags(
  args: readonly string[],
  own: OwnFlags = {},
  { only, maxWords = 0 }: { readonly only?: readonly string[]; readonly maxWords?: number } = {},
): Parsed {
  const known: OwnFlags = { ...own };
  for (const { flag, kind } of options)
    if (only === undefined || only.includes(flag))
      known[flag] = { type: kind === "switch" ? "boolean" : "string" };
  let values: Record<string, unknown>;
  let words: string[];
  try {
    ({ values, positionals: words } = parseArgs({
      args: [...args],
      options: known,
      allowPositionals: true,
      strict: true,
    }));
  } catch (error) {
    const message = error instanceof Error ? firstSentence(error.message) : String(error);
    const flag = /^Unknown option '--([^']*)'/.exec(message)?.[1];
    throw new UsageError(flag === undefined ? message : message + didYouMean(flag, Object.keys(known), "--"));
  }
  if (words.length > maxWords) throw new UsageError(`unexpected argument "${words[maxWords]}"`);
  return { flags: values as Parsed["flags"], words };
}

/** Node's messages end with advice about "--" that does not help here. */
function firstSentence(message: string): string {
  return message.split(/\.\s/)[0] ?? message;
}

export interface Loaded {
  readonly config: Config;
  readonly warnings: readonly string[];
}

/**
 * The checked configuration, or null after every error has been written on a line of its own.
 * Role `tool` is for commands that need Redis only: they work without any service configured.
 */
export function loadOrExplain(
  flags: Parsed["flags"],
  io: Io,
  role: NonNullable<Sources["role"]> = "all",
): Loaded | null {
  const read = readSources(flags, io.env, role);
  const loaded = read.ok ? loadConfig(read.sources) : read;
  const errors = loaded.ok ? (role === "tool" ? [] : brokenSchemas(loaded.config.services)) : loaded.errors;
  if (loaded.ok && errors.length === 0) return loaded;
  for (const error of errors) io.err(error);
  const count = errors.length;
  io.err(`the configuration is not valid (${count} error${count === 1 ? "" : "s"}); nothing was started`);
  return null;
}
