/** Polls for what no event tells. */
import { setTimeout as delay } from "node:timers/promises";

/** Longer than any test may take: a look that never succeeds must not keep the run from ending. */
const giveUpMs = 120_000;

/** The first value that is neither null nor false; `turn` (a sweeper's tick, say) runs before each look. */
export async function until<T>(
  look: () => Promise<T | null | false> | T | null | false,
  turn: () => Promise<unknown> = () => Promise.resolve(),
): Promise<T> {
  const startedAt = performance.now();
  while (performance.now() - startedAt < giveUpMs) {
    await turn();
    const seen = await look();
    if (seen !== null && seen !== false) return seen;
    await delay(5);
  }
  throw new Error(`what was waited for did not come in ${giveUpMs / 1000} s`);
}
