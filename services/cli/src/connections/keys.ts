/** The connections of the commands on API keys: the store, without a node. */
import { randomBytes } from "node:crypto";
import type { KeyPorts } from "@sticky-proxy/operations";
import { storeSettings, systemClock } from "@sticky-proxy/runtime";
import { createApiKeyStore, openStore } from "@sticky-proxy/store";
import { exitCodes, loadOrExplain, parseFlags, type Io, type Parsed } from "../command.ts";
import { exitUnavailable, waitForRedisMs } from "./unavailable.ts";

type OwnFlags = NonNullable<Parameters<typeof parseFlags>[1]>;

/** Parses, connects, runs, closes. Resolves to the exit code. @throws UsageError */
export async function withKeys(
  args: readonly string[],
  io: Io,
  own: { readonly flags: OwnFlags; readonly maxWords: number },
  run: (ports: KeyPorts, parsed: Parsed) => Promise<number>,
): Promise<number> {
  const parsed = parseFlags(args, own.flags, { maxWords: own.maxWords });
  const loaded = loadOrExplain(parsed.flags, io, "tool");
  if (loaded === null) return exitCodes.config;
  return exitUnavailable("the store", io, async () => {
    const onError = (): void => undefined; // reported once, by exitUnavailable
    const store = await openStore({ ...storeSettings(loaded.config), waitMs: waitForRedisMs, onError });
    try {
      const ports = { store: createApiKeyStore(store), now: () => systemClock.now(), random: randomBytes };
      return await run(ports, parsed);
    } finally {
      await store.close();
    }
  });
}
