import { CacheUnavailable } from "@sticky-proxy/core/cache";
import { StoreUnavailable } from "@sticky-proxy/core/process";
import { AuditUnavailable } from "@sticky-proxy/operations";
import { MetaMismatch, StoreUnreachable } from "@sticky-proxy/store";
import { exitCodes, type Io } from "../command.ts";

/** How long a command waits for a Redis that does not answer. */
export const waitForRedisMs = 3000;

/**
 * Runs a command that needs Redis. When Redis is not available, that is one line and 69.
 * @param what the line's subject
 */
export async function exitUnavailable(
  what: string,
  io: Pick<Io, "err">,
  run: () => Promise<number>,
): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (
      error instanceof StoreUnreachable ||
      error instanceof MetaMismatch ||
      error instanceof StoreUnavailable ||
      error instanceof CacheUnavailable ||
      error instanceof AuditUnavailable
    ) {
      io.err(`${what} is not available: ${error.message}`);
      return exitCodes.unavailable;
    }
    throw error;
  }
}
