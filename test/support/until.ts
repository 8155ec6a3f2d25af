/** Polls for what no event tells. The suite's own time limit ends it. */
import { setTimeout as delay } from "node:timers/promises";

/** The first value that is neither null nor false; `turn` (a sweeper's tick, say) runs before each look. */
export async function until<T>(
  look: () => Promise<T | null | false> | T | null | false,
  turn: () => Promise<unknown> = () => Promise.resolve(),
): Promise<T> {
  for (;;) {
    await turn();
    const seen = await look();
    if (seen !== null && seen !== false) return seen;
    await delay(5);
  }
}
