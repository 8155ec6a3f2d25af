/**
 * A process store whose calls can be stopped on their way to the real one, or on their way back: the points between
 * which two replicas' steps interleave. What is not held passes through.
 */
import type { ProcessStore } from "@sticky-proxy/core/process";

type Call = Exclude<keyof ProcessStore, "partitions">;

export interface Gate {
  /** Resolves when a call stands at the gate. */
  readonly reached: Promise<void>;
  open(): void;
}

export type GatedStore = ProcessStore & {
  /** Stops the next call of that name: `before` it is made, or `after` the store has done it. */
  hold(call: Call, when: "before" | "after"): Gate;
  /** How often that call was made. */
  called(call: Call): number;
};

interface Stop {
  readonly call: Call;
  readonly when: "before" | "after";
  readonly arrive: () => void;
  readonly opened: Promise<void>;
}

const calls = [
  "create",
  "read",
  "readRequest",
  "commit",
  "supersede",
  "renew",
  "claimDue",
  "ringAgain",
  "purge",
  "note",
  "timeline",
  "list",
  "deadLetters",
  "count",
  "keepEarly",
  "takeEarly",
  "jobHolders",
  "holdJob",
  "useMessage",
  "remember",
  "remembered",
] as const satisfies readonly Call[];

export function gatedStore(store: ProcessStore): GatedStore {
  const stops: Stop[] = [];
  const counts = new Map<Call, number>();

  async function stopAt(stop: Stop | null, when: "before" | "after"): Promise<void> {
    if (stop?.when !== when) return;
    stop.arrive();
    await stop.opened;
  }
  function gated(call: Call): (...args: never[]) => Promise<unknown> {
    const inner = store[call] as (...args: never[]) => Promise<unknown>;
    return async (...args) => {
      counts.set(call, (counts.get(call) ?? 0) + 1);
      const at = stops.findIndex((stop) => stop.call === call);
      const stop = at === -1 ? null : stops.splice(at, 1)[0]!;
      await stopAt(stop, "before");
      const answer = await inner(...args);
      await stopAt(stop, "after");
      return answer;
    };
  }
  return {
    ...store,
    ...(Object.fromEntries(calls.map((call) => [call, gated(call)])) as unknown as ProcessStore),
    partitions: store.partitions,
    hold(call, when) {
      const reached = Promise.withResolvers<void>();
      const opened = Promise.withResolvers<void>();
      stops.push({ call, when, arrive: reached.resolve, opened: opened.promise });
      return { reached: reached.promise, open: opened.resolve };
    },
    called: (call) => counts.get(call) ?? 0,
  };
}
