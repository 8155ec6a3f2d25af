/**
 * Gaps of coverage that wait to be written: executions whose intent could not be, remembered one by one up to a bound and
 * counted beyond it.
 */
import type { Clock } from "@sticky-proxy/protocol";
import type { Gap, Intent, Lag, Outbox } from "@sticky-proxy/core/mirror";
import type { MirrorPolicy } from "@sticky-proxy/core/registry";

export type GapReason = Gap["reason"];

export interface GapsDeps {
  readonly outbox: Pick<Outbox, "append" | "noteGap">;
  /** The policy of a route; null: not mirrored (any more). */
  readonly policyOf: (service: string, route: string) => MirrorPolicy | null;
  /** The store's time as far as this node knows it. */
  readonly clock: Pick<Clock, "now">;
}

/** Why an intent of a dispatch could not be written: the store was away, or the lag beyond its bound. */
export type IntentGap = Extract<GapReason, "gap" | "lag">;

type RememberedGap = Intent & { readonly gap: IntentGap; readonly noticedAt: number };

/** Gaps remembered one by one; beyond, they are counted only. */
const maxRemembered = 10_000;
const fewGaps = 5000;

export class Gaps {
  readonly #deps: GapsDeps;
  #remembered: RememberedGap[] = [];
  /** By service, route and reason: calls without an intent, and gaps that found no room above. */
  readonly #overflow = new Map<string, Gap>();

  constructor(deps: GapsDeps) {
    this.#deps = deps;
  }

  get count(): number {
    let count = this.#remembered.length;
    for (const gap of this.#overflow.values()) count += gap.count;
    return count;
  }

  /** A call that has no intent, and will have none. */
  add(service: string, route: string, reason: GapReason): void {
    const at = this.#deps.clock.now();
    addTo(this.#overflow, { service, route, reason, from: at, to: at });
  }

  remember(intent: Intent, gap: IntentGap): void {
    const at = this.#deps.clock.now();
    if (this.#remembered.length < maxRemembered) {
      this.#remembered.push({ ...intent, gap, bodyBytes: 0, noticedAt: at });
      return;
    }
    const { service, route } = intent;
    addTo(this.#overflow, { service, route, reason: gap, from: at, to: at });
  }

  /** Writes what is due, in the order of its noticing; what could not be written stays. @throws StoreUnavailable */
  async write(lag: ReadonlyMap<string, Lag>): Promise<void> {
    const { outbox } = this.#deps;
    const due = this.#takeDue(lag);
    const written: RememberedGap[] = [];
    try {
      for (let gap = due.shift(); gap !== undefined; gap = due.shift()) {
        const { noticedAt: _, ...intent } = gap;
        try {
          await outbox.append(intent, { validUntil: null });
          written.push(gap);
        } catch (error) {
          due.unshift(gap);
          throw error;
        }
      }
      for (const [name, gap] of this.#overflow) {
        await outbox.noteGap(gap, gap.count);
        this.#overflow.delete(name);
      }
    } finally {
      this.#remembered = [...due, ...this.#remembered];
      for (const gap of spans(written)) await outbox.noteGap(gap, 0);
    }
  }

  /**
   * Gaps for lag are told at once, and as entries have a bound of their own: a full outbox must not become ever fuller.
   */
  #takeDue(lag: ReadonlyMap<string, Lag>): RememberedGap[] {
    const due: RememberedGap[] = [];
    const later: RememberedGap[] = [];
    const taken = new Map<string, number>();
    for (const gap of this.#remembered) {
      const policy = this.#deps.policyOf(gap.service, gap.route);
      const count = taken.get(gap.service) ?? 0;
      const hasRoom =
        gap.gap !== "lag" || policy === null || count < roomForGaps(policy, lag.get(gap.service));
      if (hasRoom) taken.set(gap.service, count + 1);
      (hasRoom ? due : later).push(gap);
    }
    this.#remembered = later;
    return due;
  }
}

/** Gaps take up to as many entries again as what is to be sent, a few thousand at least; they hold no bytes. */
function roomForGaps({ maxLag }: MirrorPolicy, lag: Lag | undefined): number {
  return maxLag.entries + Math.max(maxLag.entries, fewGaps) - (lag?.entries ?? 0);
}

/** One line in the list of gaps per route and reason. */
function spans(gaps: readonly RememberedGap[]): Iterable<Gap> {
  const found = new Map<string, Gap>();
  for (const { service, route, gap, noticedAt } of gaps) {
    addTo(found, { service, route, reason: gap, from: noticedAt, to: noticedAt });
  }
  return found.values();
}

function addTo(sums: Map<string, Gap>, one: Omit<Gap, "count">): void {
  const name = JSON.stringify([one.service, one.route, one.reason]);
  const known = sums.get(name);
  sums.set(name, {
    ...one,
    count: (known?.count ?? 0) + 1,
    from: Math.min(known?.from ?? one.from, one.from),
    to: Math.max(known?.to ?? one.to, one.to),
  });
}
