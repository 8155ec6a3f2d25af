/** How many requests one caller may send: its proved principal, else its address. */
import { createRateCounter, isPrincipal, type Allowance } from "@sticky-proxy/core/budgets";
import { Problem, rateLimitFields, type Clock } from "@sticky-proxy/protocol";
import type { Config } from "@sticky-proxy/runtime";

export interface Rates {
  /** Counts one request; waits for nobody. null: its caller has no bound. */
  count(holder: string): RateStanding | null;
  /** Makes this node's counts and those of the others one. */
  share(): Promise<void>;
}

export interface RateStanding extends Allowance {
  /** Seconds. */
  readonly windowS: number;
}

export interface RatesDeps {
  readonly policy: Config["budgets"]["requests"];
  /** Adds what this node has counted. @returns what all have counted in the window that ends in so many ms */
  readonly add: (
    holder: string,
    requests: number,
  ) => Promise<{ readonly requests: number; readonly endsInMs: number }>;
  readonly clock: Pick<Clock, "monotonic">;
  readonly onRefused: () => void;
  readonly onFailure: (error: unknown) => void;
}

export function createRates({ policy, add, clock, onRefused, onFailure }: RatesDeps): Rates {
  const { windowSeconds: windowS, perPrincipal, perAddress } = policy;
  const counter = createRateCounter(windowS * 1000);

  async function tell(holder: string, requests: number): Promise<void> {
    const all = await add(holder, requests);
    counter.learn(holder, all.requests, all.endsInMs, clock.monotonic());
  }

  return {
    count(holder) {
      const perSecond = isPrincipal(holder) ? perPrincipal : perAddress;
      if (perSecond === null) return null;
      const allowance = counter.take(holder, perSecond * windowS, clock.monotonic());
      if (!allowance.isWithin) onRefused();
      return { ...allowance, windowS };
    },
    async share() {
      const told = await Promise.allSettled(
        counter.due(clock.monotonic()).map(({ holder, requests }) => tell(holder, requests)),
      );
      const failed = told.find((one) => one.status === "rejected");
      if (failed !== undefined) onFailure(failed.reason);
    },
  };
}

/** The fields that tell a caller where it stands. */
export function standingFields({ quota, left, resetMs, windowS }: RateStanding): Record<string, string> {
  return rateLimitFields({ name: "requests", quota, windowS, left, resetS: Math.ceil(resetMs / 1000) });
}

/** Counts the request. @throws Problem rate-limited: its caller has sent as many as it may */
export function countRequest(rates: Rates | null, holder: string): RateStanding | null {
  const standing = rates?.count(holder) ?? null;
  if (standing === null || standing.isWithin) return standing;
  throw new Problem("rate-limited", {
    detail: `A caller may send ${standing.quota} requests in ${standing.windowS} s.`,
    headers: {
      ...standingFields(standing),
      "Retry-After": String(Math.max(1, Math.ceil(standing.resetMs / 1000))),
    },
  });
}
