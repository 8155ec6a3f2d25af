/** What the cache's commands work with: the cache in Redis, without a node of their own. */
import { CacheUnavailable } from "@sticky-proxy/core/cache";
import type { CachePorts } from "@sticky-proxy/operations";
import { storeSettings, type Config } from "@sticky-proxy/runtime";
import { MetaMismatch, openCache, openStore, StoreUnreachable } from "@sticky-proxy/store";
import { exitCodes, loadOrExplain, parseFlags, type Io, type Parsed } from "./command.ts";

type OwnFlags = NonNullable<Parameters<typeof parseFlags>[1]>;

export interface CacheOperator extends CachePorts {
  /** No configuration was given, so URLs are those of the quick form. */
  readonly isAssumed: boolean;
}

const waitForRedisMs = 3000;

/** Parses, connects, runs, closes; trouble with Redis is one line and 69. */
export async function withCache(
  args: readonly string[],
  io: Io,
  own: { readonly flags: OwnFlags; readonly maxWords: number },
  run: (operator: CacheOperator, parsed: Parsed) => Promise<number>,
): Promise<number> {
  const parsed = parseFlags(args, own.flags, { maxWords: own.maxWords });
  const found = configOf(parsed.flags, io);
  if (found === null) return exitCodes.config;
  const { config, isAssumed } = found;
  const onError = (): void => undefined; // said once, when the command gives up
  let close = (): Promise<void> => Promise.resolve();
  try {
    const state = await openStore({
      ...storeSettings(config),
      waitMs: waitForRedisMs,
      onError,
    });
    close = () => state.close();
    const cache = await openCache({
      state: state.redis,
      url: config.cache.redis,
      keyPrefix: config.redis.keyPrefix,
      partitions: state.meta.partitions,
      memoryBytes: 0,
      maxBytes: config.cache.maxBytes,
      waitMs: waitForRedisMs,
      onError,
    });
    close = async () => {
      await cache.close();
      await state.close();
    };
    return await run({ store: cache.store, services: config.services, isAssumed }, parsed);
  } catch (error) {
    if (
      error instanceof StoreUnreachable ||
      error instanceof MetaMismatch ||
      error instanceof CacheUnavailable
    ) {
      io.err(`the cache's store is not available: ${error.message}`);
      return exitCodes.unavailable;
    }
    throw error;
  } finally {
    await close();
  }
}

/** Without a configuration the services are those of the quick form: one, for every path. */
function configOf(flags: Parsed["flags"], io: Io): { config: Config; isAssumed: boolean } | null {
  const given = loadOrExplain(flags, io, "tool");
  if (given === null) return null;
  if (given.config.services.length > 0) return { config: given.config, isAssumed: false };
  const quick = loadOrExplain({ ...flags, origin: "http://127.0.0.1", cache: true }, io, "tool");
  return quick === null ? null : { config: quick.config, isAssumed: true };
}

/** What depends on the services is said to be a guess where they are one. */
export function tellAssumed({ isAssumed }: Pick<CacheOperator, "isAssumed">, io: Pick<Io, "err">): void {
  if (isAssumed) io.err("no configuration: taken as of `serve --origin … --cache`; else give --config");
}
