/**
 * Logs: one JSON line per event on stdout: ts, level, msg (an event word), then fields; or its console form.
 * Field names are camelCase in code and snake_case in the log. Redaction is the first format, so no line bypasses it.
 * A winston call below its level still costs microseconds: the data path checks {@link Logger.isOn} first.
 */
import type { Clock } from "@sticky-proxy/protocol";
import type { Writable } from "node:stream";
import winston from "winston";
import type { Config } from "./config/config.ts";
import { consoleLine } from "./log-console.ts";
import { createLogRepeats } from "./log-repeats.ts";
import { after, systemClock } from "./loop.ts";
import { redact as sharedRedact, type Redact } from "./redact.ts";

type LogLevel = Config["log"]["level"];

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  error(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
  isOn(level: LogLevel): boolean;
  /** A logger that adds these fields to every line. */
  child(fields: LogFields): Logger;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Fields of every line, e.g. service_name and replica. */
  readonly fields?: LogFields;
  readonly stream?: Writable;
  /** Default: auto, which is console where the stream is a terminal. */
  readonly format?: Config["log"]["format"];
  readonly redact?: Redact;
  readonly clock?: Pick<Clock, "monotonic">;
}

const levels = { error: 0, warn: 1, info: 2, debug: 3 } as const satisfies Record<LogLevel, number>;

/** Size of the cache of converted names. */
const maxTracked = 1000;

export function createLogger(options: LoggerOptions): Logger {
  const { level, stream = process.stdout, redact = sharedRedact, clock = systemClock } = options;
  const { format = "auto", fields: always = {} } = options;
  const isForPeople =
    format === "auto" ? (stream as { isTTY?: boolean }).isTTY === true : format === "console";
  const lines = winston.createLogger({
    level,
    levels,
    format: winston.format.combine(redacted({ redact }), isForPeople ? shownLine({ always }) : line()),
    transports: [new winston.transports.Stream({ stream, eol: "\n" })],
    exitOnError: false,
  });
  const gathered = gathering(stream);
  const repeats = createLogRepeats(clock);

  function write(at: LogLevel, event: string, own: LogFields, fields: LogFields | undefined): void {
    if (levels[at] > levels[level]) return;
    const suppressed = at === "error" || at === "warn" ? repeats.admit(event, fields) : 0;
    if (suppressed === null) return;
    gathered.hold();
    lines.log({
      level: at,
      message: event,
      fields: { ...own, ...fields, ...(suppressed > 0 ? { suppressed } : {}) },
    });
    if (at === "error" || at === "warn" || stream.writableLength > holdBytes) gathered.write();
  }

  function withFields(own: LogFields): Logger {
    return {
      error: (event, fields) => write("error", event, own, fields),
      warn: (event, fields) => write("warn", event, own, fields),
      info: (event, fields) => write("info", event, own, fields),
      debug: (event, fields) => write("debug", event, own, fields),
      isOn: (at) => levels[at] <= levels[level],
      child: (fields) => withFields({ ...own, ...fields }),
    };
  }
  return withFields(always);
}

const redacted = winston.format((info, options) => {
  const { redact } = options as { redact: Redact };
  info.fields = redact(info.fields);
  info.message = redact(info.message);
  return info;
});

const line = winston.format((info) => {
  const fields = info.fields as LogFields;
  const shown: Record<string, unknown> = {
    ts: new Date().toISOString(),
    level: info.level,
    msg: info.message,
  };
  for (const name of Object.keys(fields)) {
    const given = snakeCase(name);
    if (!ownNames.has(given)) shown[given] = fields[name];
  }
  info[lineSymbol] = JSON.stringify(shown);
  return info;
});

/** The fields of every line are left out: there is one process at a terminal. */
const shownLine = winston.format((info, options) => {
  const { always } = options as { always: LogFields };
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(info.fields as LogFields)) {
    if (!Object.hasOwn(always, name)) shown[snakeCase(name)] = value;
  }
  info[lineSymbol] = consoleLine(new Date(), info.level, String(info.message), shown);
  return info;
});

/** What the transport writes. */
const lineSymbol = Symbol.for("message");
/** Names that a field cannot replace. */
const ownNames: ReadonlySet<string> = new Set(["ts", "level", "msg", "__proto__"]);

const upperCase = /[A-Z]/g;
const snakeCased = new Map<string, string>();

/** Field names come from code, so there are few; the cache is limited in case a name comes from outside. */
function snakeCase(name: string): string {
  let cased = snakeCased.get(name);
  if (cased === undefined) {
    cased = name.replace(upperCase, (letter) => `_${letter.toLowerCase()}`);
    if (snakeCased.size < maxTracked) snakeCased.set(name, cased);
  }
  return cased;
}

/** Largest delay and size of the buffer; errors and warnings are written at once. */
const holdMs = 20;
const holdBytes = 65_536;

/**
 * Buffers lines: with one system call per line, logging costs a fifth of a proxied request.
 * The rest is written when the process ends; only SIGKILL loses it.
 */
function gathering(stream: Writable): { hold(): void; write(): void } {
  let cancel: (() => void) | null = null;
  function write(): void {
    cancel?.();
    cancel = null;
    process.off("exit", write);
    stream.uncork();
  }
  return {
    hold() {
      if (cancel !== null) return;
      stream.cork();
      cancel = after(holdMs, write);
      process.once("exit", write);
    },
    write,
  };
}
