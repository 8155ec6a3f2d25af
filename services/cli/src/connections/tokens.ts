/** The connections of the commands on operators' tokens: the store, without a node. */
import { randomBytes } from "node:crypto";
import type { TokenPorts } from "@sticky-proxy/operations";
import { storeSettings } from "@sticky-proxy/runtime";
import { createOperatorTokens, openStore } from "@sticky-proxy/store";
import { exitCodes, loadOrExplain, parseFlags, type Io, type Parsed } from "../command.ts";
import { exitUnavailable, waitForRedisMs } from "./unavailable.ts";

type OwnFlags = NonNullable<Parameters<typeof parseFlags>[1]>;

/** Parses, connects, runs, closes. Resolves to the exit code. @throws UsageError */
export async function withTokens(
  args: readonly string[],
  io: Io,
  own: { readonly flags: OwnFlags; readonly maxWords: number },
  run: (ports: TokenPorts, parsed: Parsed) => Promise<number>,
): Promise<number> {
  const parsed = parseFlags(args, own.flags, { maxWords: own.maxWords });
  const loaded = loadOrExplain(parsed.flags, io, "tool");
  if (loaded === null) return exitCodes.config;
  return exitUnavailable("the store", io, async () => {
    const onError = (): void => undefined; // reported once, by exitUnavailable
    const store = await openStore({ ...storeSettings(loaded.config), waitMs: waitForRedisMs, onError });
    try {
      return await run({ tokens: createOperatorTokens(store), randomBytes }, parsed);
    } finally {
      await store.close();
    }
  });
}
