/** The connections of the mirror's commands: outbox and differences in Redis, without a node of their own. */
import type { MirrorPorts } from "@sticky-proxy/operations";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { storeSettings, systemClock } from "@sticky-proxy/runtime";
import {
  createDifferences,
  createMirrorOutbox,
  MetaMismatch,
  openStore,
  StoreUnreachable,
} from "@sticky-proxy/store";
import { exitCodes, loadOrExplain, type Io, type Parsed } from "./command.ts";

const waitForRedisMs = 3000;

/** Connects, runs, closes; a Redis that does not answer is one line and 69. */
export async function withMirror(
  parsed: Parsed,
  io: Io,
  run: (mirror: MirrorPorts) => Promise<number>,
): Promise<number> {
  const loaded = loadOrExplain(parsed.flags, io, "tool");
  if (loaded === null) return exitCodes.config;
  let close = (): Promise<void> => Promise.resolve();
  try {
    const store = await openStore({
      ...storeSettings(loaded.config),
      waitMs: waitForRedisMs,
      onError: () => undefined, // reported once, when the command fails
    });
    close = () => store.close();
    const { writes, reads } = store.redis;
    const deps = { writes, reads, keys: store.keys, partitions: store.meta.partitions };
    return await run({
      outbox: createMirrorOutbox(deps),
      differences: createDifferences(deps),
      clock: systemClock,
    });
  } catch (error) {
    if (
      error instanceof StoreUnreachable ||
      error instanceof MetaMismatch ||
      error instanceof StoreUnavailable
    ) {
      io.err(`the store is not available: ${error.message}`);
      return exitCodes.unavailable;
    }
    throw error;
  } finally {
    await close();
  }
}
