/**
 * Runs the process store's scripts so that a missing answer is never taken for "nothing happened" (P1). A write that
 * starts something is not repeated: it refuses itself after `validUntil`, and is settled once Redis answers again (unacknowledged-creates.ts). A
 * write whose script recognises its own repetition is repeated once. Every reply tells the server's clock.
 */
import { asEpochMs, type EpochMs, type Clock } from "@sticky-proxy/protocol";
import { type Change, type ProcessRecord, type Snapshot, StoreUnavailable } from "@sticky-proxy/core/process";
import {
  type Connection,
  mayHaveRun,
  type RedisConnections,
  serverTime,
  untilReady,
} from "../redis/redis.ts";
import {
  type Call,
  loadScripts,
  type Reply,
  replyNumber,
  replyText,
  runScript,
  type Script,
} from "../redis/scripts.ts";
import { createServerClock, type ServerClock } from "../redis/server-clock.ts";
import { unavailable } from "../redis/unavailable.ts";
import {
  createUnacknowledgedCreates,
  type UnacknowledgedCreate,
  type UnacknowledgedCreates,
} from "./unacknowledged-creates.ts";

export interface ScriptAnswer {
  readonly word: string;
  /** The server's clock, epoch ms; NaN for a script that does not tell it. */
  readonly now: EpochMs;
  readonly rest: readonly Reply[];
}

export interface ScriptSession {
  readonly clock: ServerClock;
  readonly unacknowledgedCreates: UnacknowledgedCreates;
  /** @throws StoreUnavailable with the client's error as cause */
  run<K extends string, A extends string>(
    connection: Connection,
    script: Script<K, A>,
    call: Call<K, A>,
  ): Promise<ScriptAnswer>;
  /** Runs a write that starts something; remembers it when its fate is unknown. @throws StoreUnavailable */
  start(
    place: Omit<UnacknowledgedCreate, "validUntil">,
    write: (validUntil: number) => Promise<ScriptAnswer>,
  ): Promise<ScriptAnswer>;
  /** Runs a write whose script knows it again; once more when it got no answer. @throws StoreUnavailable */
  repeatOnce(write: () => Promise<ScriptAnswer>): Promise<ScriptAnswer>;
}

export interface ScriptSessionOptions {
  readonly redis: RedisConnections;
  /** Loaded into the server at each connection. */
  readonly scripts: readonly Script<string, string>[];
  readonly clock: Pick<Clock, "monotonic">;
  readonly read: (create: UnacknowledgedCreate) => Promise<Snapshot>;
  readonly commit: (base: ProcessRecord, change: Change) => Promise<unknown>;
}

/** How long a commit whose connection broke waits for the next one. */
const reconnectWaitMs = 500;

export function createScriptSession(options: ScriptSessionOptions): ScriptSession {
  const { redis, scripts, read, commit } = options;
  const { monotonic } = options.clock;
  const clock = createServerClock(monotonic);
  const unacknowledgedCreates = createUnacknowledgedCreates({ clock: options.clock, read, commit });

  /** Ahead of their first use, so that a write's first trip is its only one; a missing script is loaded when called. */
  function preload(): void {
    loadScripts(redis.writes, scripts).catch(() => {});
  }
  redis.writes.on("ready", preload);
  if (redis.writes.status === "ready") preload();

  /** When a write sent now has to refuse itself. */
  async function validUntil(): Promise<number> {
    if (clock.now() === null) {
      const sentAt = monotonic();
      try {
        clock.see(await serverTime(redis.reads), sentAt);
      } catch (cause) {
        throw unavailable("time", cause);
      }
    }
    return clock.now()! + redis.commandTimeoutMs;
  }

  return {
    clock,
    unacknowledgedCreates,
    async run(connection, script, call) {
      const sentAt = monotonic();
      try {
        const [word, now, ...rest] = await runScript(connection, script, call);
        const answer = {
          word: replyText(word) ?? "",
          now: asEpochMs(now === undefined ? NaN : replyNumber(now)),
          rest,
        };
        if (now !== undefined) clock.see(answer.now, sentAt);
        unacknowledgedCreates.answered();
        return answer;
      } catch (cause) {
        throw unavailable(script.name, cause);
      }
    },
    async start(place, write) {
      const until = await validUntil();
      try {
        return await write(until);
      } catch (error) {
        if (mayHaveRun((error as Error).cause)) {
          unacknowledgedCreates.remember({ ...place, validUntil: until });
          if (error instanceof StoreUnavailable) error.mayHaveStarted = true;
        }
        throw error;
      }
    },
    async repeatOnce(write) {
      try {
        return await write();
      } catch (error) {
        if (!mayHaveRun((error as Error).cause)) throw error;
        await untilReady(redis.writes, reconnectWaitMs);
        return write();
      }
    },
  };
}
