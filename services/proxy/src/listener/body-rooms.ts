/** The bytes of request bodies that this node has in memory at once, shared fairly among its callers. */
import { createFairPool, shareOf } from "@sticky-proxy/core/budgets";
import { Problem, rateLimitFields } from "@sticky-proxy/protocol";

/** What one request has taken of them. */
export interface BodyRoom {
  /** @throws Problem over-budget, and nothing is taken: the node is full, or this caller has its share */
  take(bytes: number): void;
  /** Gives back what is over so many bytes. */
  keep(bytes: number): void;
}

export interface BodyRooms {
  open(holder: string): BodyRoom;
  /** What a lone caller may take: a body that takes more with its working memory is counted by that. */
  readonly share: number;
}

/** @param max bytes; @param onRefused told of each refusal */
export function createBodyRooms(max: number, onRefused: () => void): BodyRooms {
  const pool = createFairPool(max);
  const share = shareOf(max);
  return {
    share,
    open(holder) {
      let taken = 0;
      return {
        take(bytes) {
          if (!pool.take(holder, bytes)) {
            onRefused();
            throw overBudget(share);
          }
          taken += bytes;
        },
        keep(bytes) {
          if (bytes >= taken) return;
          pool.give(holder, taken - bytes);
          taken = bytes;
        },
      };
    },
  };
}

function overBudget(quota: number): Problem {
  const facts = {
    name: "bodies",
    quota,
    unit: "content-bytes",
    windowS: null,
    left: 0,
    resetS: null,
  } as const;
  return new Problem("over-budget", {
    detail: "Too many bytes of bodies are in memory.",
    headers: { ...rateLimitFields(facts), "Retry-After": "1" },
    close: true,
  });
}
