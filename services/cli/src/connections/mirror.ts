/** The connections of the mirror's commands: outbox and differences in Redis, without a node. */
import { randomBytes } from "node:crypto";
import type { MigrationPorts, MirrorPorts } from "@sticky-proxy/operations";
import { sleep, storeSettings, systemClock } from "@sticky-proxy/runtime";
import {
  createAudit,
  createDifferences,
  createIdMap,
  createMigrations,
  createMirrorChain,
  createMirrorOutbox,
  openStore,
} from "@sticky-proxy/store";
import { exitCodes, loadOrExplain, type Io, type Parsed } from "../command.ts";
import { actWith, type Act } from "./audit.ts";
import { exitUnavailable, waitForRedisMs } from "./unavailable.ts";

/** Connects, runs, closes. Resolves to the exit code. */
export async function withMirror(
  parsed: Parsed,
  io: Io,
  run: (mirror: MirrorPorts, act: Act, moving: MigrationPorts) => Promise<number>,
): Promise<number> {
  const loaded = loadOrExplain(parsed.flags, io, "tool");
  if (loaded === null) return exitCodes.config;
  return exitUnavailable("the store", io, async () => {
    const store = await openStore({
      ...storeSettings(loaded.config),
      waitMs: waitForRedisMs,
      onError: () => undefined, // reported once, by exitUnavailable
    });
    try {
      const { writes, reads } = store.redis;
      const deps = {
        writes,
        reads,
        keys: store.keys,
        partitions: store.meta.partitions,
        sealing: store.sealing,
      };
      const mirror = {
        outbox: createMirrorOutbox(deps),
        differences: createDifferences(deps),
        ids: createIdMap(deps),
        chain: createMirrorChain(deps),
        clock: systemClock,
      };
      const moving = {
        ...mirror,
        migrations: createMigrations(deps),
        configured: () => loaded.config.services,
        sleep,
        newToken: () => randomBytes(9).toString("base64url"),
      };
      return await run(mirror, actWith(createAudit(store)), moving);
    } finally {
      await store.close();
    }
  });
}
