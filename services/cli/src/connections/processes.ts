/**
 * The connections of the commands on processes: the processes in Redis, without a node. The command line sends no
 * process: a sweeper does, so a command may end at once.
 */
import { createSecretKey, randomBytes } from "node:crypto";
import {
  createPinnedRules,
  type PinnedRuleBook,
  createProcesses,
  type Processes,
  type WaitDeps,
  createCancelHook,
} from "@sticky-proxy/engine";
import { listServices, parseProcessRef, storeNow } from "@sticky-proxy/operations";
import type { Audit } from "@sticky-proxy/core/operators";
import type { ProcessRecord, ProcessRef } from "@sticky-proxy/core/process";
import { storeSettings, sleep, type Config, systemClock } from "@sticky-proxy/runtime";
import { createAudit, createRegistry, openStore, type OpenStore } from "@sticky-proxy/store";
import { createOutboundCallers } from "@sticky-proxy/upstream";
import { exitCodes, loadOrExplain, parseFlags, UsageError, type Io, type Parsed } from "../command.ts";
import { actWith, type Act } from "./audit.ts";
import { exitUnavailable, waitForRedisMs } from "./unavailable.ts";

export interface Operator {
  readonly processes: Processes;
  readonly waiting: WaitDeps;
  readonly audit: Pick<Audit, "list">;
  readonly act: Act;
  /** Names of the configured services and of those that have had processes. */
  services(): Promise<readonly string[]>;
  /** The store's clock, epoch ms. */
  now(): Promise<number>;
  readonly holders: OpenStore["holders"];
  /** Calls the cancel hook of the process's route; `close` waits for the call. */
  tellCancelled(record: ProcessRecord): void;
  close(): Promise<void>;
}

/** @throws StoreUnreachable, MetaMismatch */
async function connectOperator(config: Config, io: Pick<Io, "err">): Promise<Operator> {
  const store = await openStore({
    ...storeSettings(config),
    waitMs: waitForRedisMs,
    onError: () => undefined, // reported once, by exitUnavailable
  });
  const rules = createPinnedRules({
    services: () => config.services,
    store: store.pins,
    secret: createSecretKey(store.meta.secret),
    clock: systemClock,
  });
  const registry = createRegistry(store);
  const audit = createAudit(store);
  const callers = createOutboundCallers();
  const cancelHook = createCancelHook({
    callers,
    find: (record) => rules.find(record),
    random: Math.random,
    onOutcome: (_record, outcome, detail) => {
      if (outcome !== "told") io.err(`the service was not told of the cancel: ${detail}`);
    },
  });
  return {
    ...operatorOn({
      store: store.processes,
      rulesOf: (record) => rules.rulesOf(record),
      pins: rules,
      deadLetterMs: config.retention.deadLetterMs,
    }),
    waiting: {
      store: store.processes,
      changes: store.changes,
      sleep,
      random: Math.random,
      clock: systemClock,
    },
    audit,
    act: actWith(audit),
    holders: store.holders,
    services: () => listServices({ configured: config.services, registered: () => registry.services() }),
    tellCancelled(record) {
      if (record.attempt > 0 && rules.find(record) === null)
        io.err("the service was not told of the cancel: its route is not configured here, --config names it");
      cancelHook.tell(record);
    },
    async close() {
      await cancelHook.idle();
      callers.close();
      await store.close();
    },
  };
}

/** The part that needs a store only. */
export function operatorOn(deps: {
  readonly store: Processes["store"];
  readonly rulesOf: Parameters<typeof createProcesses>[0]["rulesOf"];
  /** Absent: nothing is pinned. */
  readonly pins?: PinnedRuleBook;
  readonly deadLetterMs?: number;
}): Pick<Operator, "processes" | "now"> {
  const processes = createProcesses({
    ...deps,
    node: `cli-${randomBytes(6).toString("hex")}`,
    random: Math.random,
    newId: () => randomBytes(12).toString("base64url"),
    clock: systemClock,
    onTransition: () => undefined,
    confirm: null,
  });
  return {
    processes,
    now: () => storeNow(processes),
  };
}

type OwnFlags = NonNullable<Parameters<typeof parseFlags>[1]>;

/** Parses, connects, runs, closes. Resolves to the exit code. @throws UsageError */
export async function withOperator(
  args: readonly string[],
  io: Io,
  own: { readonly flags: OwnFlags; readonly maxWords: number },
  run: (operator: Operator, parsed: Parsed) => Promise<number>,
): Promise<number> {
  const parsed = parseFlags(args, own.flags, { maxWords: own.maxWords });
  const loaded = loadOrExplain(parsed.flags, io, "tool");
  if (loaded === null) return exitCodes.config;
  return exitUnavailable("the store", io, async () => {
    const operator = await connectOperator(loaded.config, io);
    try {
      return await run(operator, parsed);
    } finally {
      await operator.close();
    }
  });
}

/** The process that the first word names. @throws UsageError when it is no process id */
export function refOf(operator: Pick<Operator, "processes">, words: readonly string[], at = 0): ProcessRef {
  const word = words[at];
  if (word === undefined) throw new UsageError("which process? give its id");
  const ref = parseProcessRef(word, operator.processes.store.partitions);
  if (ref === null) throw new UsageError(`"${word}" is not a process id`);
  return ref;
}

/** null, after an error line, when there is no such process. @throws StoreUnavailable */
export async function findProcess(
  operator: Pick<Operator, "processes">,
  ref: ProcessRef,
  word: string,
  io: Pick<Io, "err">,
): Promise<ProcessRecord | null> {
  const { record } = await operator.processes.read(ref, { withResult: false });
  if (record === null) unknownProcess(io, word);
  return record;
}

/** The exit code of a command about a process that does not exist. */
export function unknownProcess(io: Pick<Io, "err">, word: string): number {
  io.err(`there is no process ${word}`);
  return exitCodes.failed;
}

/** Prints what the command would do with --yes; the exit code of a command that was not confirmed. */
export function unconfirmed(io: Pick<Io, "err">, what: string): number {
  io.err(`would ${what}; repeat with --yes to do it`);
  return exitCodes.failed;
}

/** What `actOnProcess` needs to know of a command that acts on one process. */
export interface ProcessDeed<T extends { readonly kind: string }> {
  readonly action: string;
  /** What the command would do with --yes, said of the record. */
  readonly would: (record: ProcessRecord, word: string) => string;
  readonly work: (ref: ProcessRef) => Promise<T | { readonly kind: "not-found" }>;
  /** The result's line, and whether it is the one that was wanted. */
  readonly say: (result: T, word: string) => { readonly line: string; readonly isDone: boolean };
}

/** One process, named by the first word: asks for --yes, acts, and says what came. @throws UsageError, StoreUnavailable */
export async function actOnProcess<T extends { readonly kind: string }>(
  operator: Pick<Operator, "processes" | "act">,
  { flags, words }: Parsed,
  io: Io,
  { action, would, work, say }: ProcessDeed<T>,
): Promise<number> {
  const ref = refOf(operator, words);
  const word = words[0]!;
  if (flags["yes"] !== true) {
    const record = await findProcess(operator, ref, word, io);
    return record === null ? exitCodes.failed : unconfirmed(io, would(record, word));
  }
  const result = await operator.act(
    { action, target: word },
    flags,
    () => work(ref),
    ({ kind }) => kind,
  );
  if (result.kind === "not-found") return unknownProcess(io, word);
  const { line, isDone } = say(result as T, word);
  (isDone ? io.out : io.err)(line);
  return isDone ? exitCodes.ok : exitCodes.failed;
}
