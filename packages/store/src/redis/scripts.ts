/**
 * Loads Lua scripts and runs them with names instead of positions.
 *
 * A script begins `#!lua flags=…`, then a header comment `--[[ name: purpose` that names every KEYS and ARGV and
 * says what it returns:
 *   KEYS[1]  process  HASH     ARGV[2]  call     ARGV[5..]  changes (op, name, value each)
 * It is refused when its body uses another KEYS or ARGV than the header names, or the caller's names differ.
 * A line `--@include name` includes redis/fragments/name.lua: functions that several scripts share.
 *
 * Every reply begins with the script's first two arguments. RESP has no correlation ids, and a desynchronised connection
 * can deliver another request's reply: an echo that differs destroys the connection before the reply is used.
 */
import { CodedError } from "@sticky-proxy/protocol";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { type Connection, destroyConnection } from "./redis.ts";
import { type RedisFailure, failureKind } from "./failure-kind.ts";

export type ScriptArg = string | number | Uint8Array;
/** What scripts answer: bulk strings as buffers, integers, nil, nested arrays. */
export type Reply = Buffer | number | null | readonly Reply[];

/** The reply belonged to another request; the connection has been destroyed. Whether the script ran is unknown. */
export class RedisDesync extends CodedError {
  override readonly name = "RedisDesync";
  override readonly code = "REDIS_DESYNC";
}

/** A script's text breaks its own header, or the header breaks the definition. */
export class ScriptInvalid extends CodedError {
  override readonly name = "ScriptInvalid";
  override readonly code = "SCRIPT_INVALID";
}

export interface Definition<K extends string, A extends string> {
  /** Unlike any other script's; begins the file's header comment, and names the script in errors and metrics. */
  readonly name: string;
  readonly file: URL;
  /** Names in header order. The first two arguments are what the reply echoes. */
  readonly keys: readonly K[];
  readonly args: readonly A[];
  /** Name of the open-ended keys (`KEYS[n..]`) or arguments (`ARGV[n..]`), where the script takes any. */
  readonly moreKeys?: string;
  readonly moreArgs?: string;
}

export interface Script<K extends string, A extends string> extends Definition<K, A> {
  /** Reads and checks the file on first use. @throws ScriptInvalid */
  text(): { readonly source: string; readonly sha: string };
}

export interface Call<K extends string, A extends string> {
  readonly keys: Readonly<Record<K, string>>;
  readonly args: Readonly<Record<A, ScriptArg>>;
  readonly moreKeys?: readonly string[];
  readonly moreArgs?: readonly ScriptArg[];
}

/** Methods that the client has for every command and leaves out of its types. */
type Evaluate = (script: string, ...rest: (string | number | Buffer)[]) => Promise<unknown>;
interface Evaluator {
  readonly evalshaBuffer: Evaluate;
  readonly evalBuffer: Evaluate;
}

export function defineScript<const K extends string, const A extends string>(
  definition: Definition<K, A>,
): Script<K, A> {
  let text: { source: string; sha: string } | null = null;
  return {
    ...definition,
    text() {
      if (text === null) {
        const source = expand(definition.file);
        checkScript(source, definition);
        text = { source, sha: createHash("sha1").update(source).digest("hex") };
      }
      return text;
    },
  };
}

/** Told of every script's run; `failure` null: it was answered. */
export type ScriptObserver = (script: string, ms: number, failure: RedisFailure | null) => void;

const observers = new WeakMap<Connection, ScriptObserver>();

/** Whatever store runs a script on the connection, the observer hears of it. */
export function observeScripts(connection: Connection, observer: ScriptObserver): void {
  observers.set(connection, observer);
}

/**
 * Runs a script and returns its reply without the echo.
 * @throws RedisDesync, or the client's error (the server refused, or no answer came)
 */
export async function runScript<K extends string, A extends string>(
  connection: Connection,
  script: Script<K, A>,
  call: Call<K, A>,
): Promise<readonly Reply[]> {
  const observer = observers.get(connection);
  if (observer === undefined) return evaluate(connection, script, call);
  const startedAt = performance.now();
  let failure: RedisFailure | null = null;
  try {
    return await evaluate(connection, script, call);
  } catch (error) {
    failure = failureKind(error);
    throw error;
  } finally {
    observer(script.name, performance.now() - startedAt, failure);
  }
}

async function evaluate<K extends string, A extends string>(
  connection: Connection,
  script: Script<K, A>,
  call: Call<K, A>,
): Promise<readonly Reply[]> {
  const { source, sha } = script.text();
  const keys = script.keys.map((name) => call.keys[name]).concat(call.moreKeys ?? []);
  const args: (string | number | Buffer)[] = [];
  for (const name of script.args) args.push(argument(call.args[name]));
  for (const value of call.moreArgs ?? []) args.push(argument(value));
  const evaluator = connection as unknown as Evaluator;
  let reply: unknown;
  try {
    reply = await evaluator.evalshaBuffer(sha, keys.length, ...keys, ...args);
  } catch (error) {
    // NOSCRIPT says that nothing ran. EVAL runs and keeps the script on the very node that owns the slot.
    if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
    reply = await evaluator.evalBuffer(source, keys.length, ...keys, ...args);
  }
  return afterEcho(connection, script.name, reply, args);
}

/** Puts scripts into the server's cache ahead of their first use; missing ones are loaded when they are called. */
export async function loadScripts(
  connection: Connection,
  scripts: readonly Script<string, string>[],
): Promise<void> {
  if (connection.isCluster) return; // SCRIPT LOAD without a key would reach one node only
  await Promise.all(scripts.map((script) => connection.script("LOAD", script.text().source)));
}

/** A bulk string as text; null stays null. */
export function replyText(reply: Reply | undefined): string | null {
  return Buffer.isBuffer(reply) ? reply.toString() : null;
}

/** @throws TypeError when the reply is not a number. */
export function replyNumber(reply: Reply | undefined): number {
  const value = typeof reply === "number" ? reply : Number(replyText(reply) ?? NaN);
  if (Number.isNaN(value)) throw new TypeError("the script answered no number");
  return value;
}

export function replyList(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}

function argument(value: ScriptArg): string | number | Buffer {
  if (typeof value === "string" || typeof value === "number" || Buffer.isBuffer(value)) return value;
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

const callPrefix = randomBytes(6).toString("base64url");
let calls = 0;

/** An id for one call, unlike any other of any node: its reply echoes it. */
export function newCall(): string {
  return `${callPrefix}${(calls += 1).toString(36)}`;
}

function afterEcho(
  connection: Connection,
  name: string,
  reply: unknown,
  args: readonly (string | number | Buffer)[],
): readonly Reply[] {
  const list = Array.isArray(reply) ? (reply as Reply[]) : [];
  if (echoes(list[0], args[0]) && echoes(list[1], args[1])) return list.slice(2);
  destroyConnection(connection);
  throw new RedisDesync(`${name}: the reply belongs to another request; the connection was destroyed`);
}

function echoes(reply: Reply | undefined, sent: string | number | Buffer | undefined): boolean {
  return Buffer.isBuffer(reply) && sent !== undefined && reply.equals(Buffer.from(String(sent)));
}

function expand(file: URL): string {
  return readFileSync(file, "utf8").replace(/^--@include ([\w-]+)\n/gm, (_, name: string) =>
    readFileSync(new URL(`../redis/fragments/${name}.lua`, file), "utf8"),
  );
}

/** Compares header, body and definition. @throws ScriptInvalid naming what differs */
export function checkScript(source: string, definition: Definition<string, string>): void {
  const invalid = (why: string): never => {
    throw new ScriptInvalid(`${basename(definition.file.pathname)}: ${why}`);
  };
  const parts = /^#!lua flags=[a-z,-]*\n--\[\[([^]*?)\]\]\n([^]*)$/.exec(source);
  if (parts === null) return invalid("does not begin with a flags line and a header comment");
  const [, header, commented] = parts as unknown as [string, string, string];
  const body = commented.replace(/--\[\[[^]*?\]\]/g, "").replace(/--.*$/gm, "");
  if (!header.startsWith(` ${definition.name}: `))
    invalid(`the header does not begin with "${definition.name}: "`);
  if (!/^Returns\s/m.test(header)) invalid("the header does not say what it returns");
  if (definition.args.length < 2) invalid("needs two arguments to echo");

  for (const kind of ["KEYS", "ARGV"] as const) {
    const names = kind === "KEYS" ? definition.keys : definition.args;
    const more = kind === "KEYS" ? definition.moreKeys : definition.moreArgs;
    const wanted = names.map((name, i) => `${kind}[${i + 1}] ${name}`);
    if (more !== undefined) wanted.push(`${kind}[${names.length + 1}..] ${more}`);
    const named = [...header.matchAll(new RegExp(`${kind}\\[(\\d+(?:\\.\\.)?)\\]\\s+(\\w+)`, "g"))].map(
      ([, at, name]) => `${kind}[${at}] ${name}`,
    );
    if (named.join() !== wanted.join()) invalid(`header says ${named.join()}, caller ${wanted.join()}`);

    const used = new Set(
      [...body.matchAll(new RegExp(`${kind}\\[(\\d+)\\]`, "g"))].map(([, at]) => Number(at)),
    );
    const isOpen = new RegExp(`${kind}\\[[^\\d\\]]|#${kind}|unpack\\(${kind}`).test(body);
    for (const at of used) {
      if (at > names.length && more === undefined)
        invalid(`body uses ${kind}[${at}], header does not name it`);
    }
    for (let at = 1; at <= names.length; at++) {
      if (!used.has(at)) invalid(`header names ${kind}[${at}], body never reads it`);
    }
    if (isOpen !== (more !== undefined)) invalid(`open-ended ${kind} in header and body differ`);
  }
}
