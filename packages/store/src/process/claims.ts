/**
 * Creates while the store must not claim: its memory runs short, or Redis may have forgotten processes that still run.
 * A scope that has a record is joined and replayed all the same; only a scope without one is refused.
 */
import {
  type CreateAnswer,
  type Draft,
  type ProcessStore,
  StoreUnavailable,
} from "@sticky-proxy/core/process";
import type { Incarnation } from "../cluster/incarnation.ts";
import { createProcess } from "./create.ts";
import type { StoredBudget } from "./stored-budget.ts";
import { guarded, type ProcessIo } from "./io.ts";

export interface ClaimLimits {
  /** Absent: claims never pause. */
  readonly incarnation?: Pick<Incarnation, "mayClaim">;
  /** true: memory runs short, so nothing new is claimed. Absent: never. */
  readonly sheds?: () => boolean;
  /** Absent: a holder may store whatever the server takes. */
  readonly budget?: Pick<StoredBudget, "mayStore">;
}

/** `noteService` is told of each draft's service before its list gets a first member. */
export function createClaims(
  io: ProcessIo,
  { incarnation, sheds, budget }: ClaimLimits,
  noteService: (service: string) => void,
): ProcessStore["create"] {
  /** Why a scope without a record is not claimed right now; null: it is. */
  async function refusal(draft: Draft): Promise<Error | null> {
    if (sheds?.() === true) return new StoreUnavailable("claims are shed: the store's memory runs short");
    const held = budget === undefined ? null : await budget.mayStore(draft);
    if (held !== null) return held;
    if (incarnation === undefined) return null;
    const mayClaim = await guarded("incarnation", () => incarnation.mayClaim());
    return mayClaim ? null : new StoreUnavailable("claims pause: Redis may have forgotten some");
  }
  /** The process that has the scope, or null. */
  async function existing(draft: Draft, options: { withResult: boolean }): Promise<CreateAnswer | null> {
    const { partition, scope } = draft;
    const snapshot = await io.read({ partition, scope, epoch: null }, options);
    return snapshot.record && { ...snapshot, kind: "exists", record: snapshot.record };
  }

  return async function create(draft, options) {
    noteService(draft.fields.service ?? "");
    const why = await refusal(draft);
    if (why !== null) {
      const answer = await existing(draft, options);
      if (answer === null) throw why;
      return answer;
    }
    try {
      return await createProcess(io, draft, options);
    } catch (error) {
      const answer = isMemoryFull(error) ? await existing(draft, options) : null;
      if (answer === null) throw error;
      return answer;
    }
  };
}

function isMemoryFull(error: unknown): boolean {
  const cause = error instanceof StoreUnavailable ? error.cause : null;
  return cause instanceof Error && cause.message.startsWith("OOM");
}
