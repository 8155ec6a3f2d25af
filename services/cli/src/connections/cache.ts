/** The connections of the cache's commands: the cache in Redis, without a node. */
import type { CachePorts } from "@sticky-proxy/operations";
import { storeSettings, type Config } from "@sticky-proxy/runtime";
import { createAudit, openCache, openStore } from "@sticky-proxy/store";
import { exitCodes, loadOrExplain, parseFlags, type Io, type Parsed } from "../command.ts";
import { actWith, type Act } from "./audit.ts";
import { exitUnavailable, waitForRedisMs } from "./unavailable.ts";

type OwnFlags = NonNullable<Parameters<typeof parseFlags>[1]>;

export interface CacheOperator extends CachePorts {
  /** No configuration was given, so URLs are those of the quick form. */
  readonly isAssumed: boolean;
  readonly act: Act;
}

/** Parses, connects, runs, closes. Resolves to the exit code. @throws UsageError */
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
  return exitUnavailable("the cache's store", io, () =>
    withOpenCache(config, (store, act) => run({ store, services: config.services, isAssumed, act }, parsed)),
  );
}

/** @throws StoreUnreachable, MetaMismatch */
async function withOpenCache(
  config: Config,
  run: (store: CachePorts["store"], act: Act) => Promise<number>,
): Promise<number> {
  const onError = (): void => undefined; // reported once, by exitUnavailable
  const state = await openStore({ ...storeSettings(config), waitMs: waitForRedisMs, onError });
  try {
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
    try {
      return await run(cache.store, actWith(createAudit(state)));
    } finally {
      await cache.close();
    }
  } finally {
    await state.close();
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

/** Warns that whatever depends on the services is a guess, where the services are one. */
export function tellAssumed({ isAssumed }: Pick<CacheOperator, "isAssumed">, io: Pick<Io, "err">): void {
  if (isAssumed) io.err("no configuration: taken as of `serve --origin … --cache`; else give --config");
}
