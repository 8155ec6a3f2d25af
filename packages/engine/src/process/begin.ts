/** Starts a process: created when its scope has none that counts, or superseding the current one. */
import type { StoredResponse } from "@sticky-proxy/core/http";
import { verdictOf, type Verdict } from "@sticky-proxy/core/idempotency";
import {
  birth,
  isTerminal,
  StoreUnavailable,
  supersede,
  type BeginRequest,
  type Draft,
  type ProcessRecord,
} from "@sticky-proxy/core/process";
import { applyEvent } from "./apply.ts";
import { maxRaces, type StoreView } from "./store-view.ts";

export interface Started {
  readonly verdict: "start";
  readonly record: ProcessRecord;
  /** The superseded process; null: none. */
  readonly superseded: ProcessRecord | null;
}

export type Begun =
  | Started
  | (Exclude<Verdict, { verdict: "start" }> & { readonly result: StoredResponse | null });

/** @throws StoreUnavailable */
export async function beginProcess(view: StoreView, request: BeginRequest): Promise<Begun> {
  const { store, node, newId, pins } = view.deps;
  // Before a record names them; nothing to wait for but once after a start or a reload.
  const standing = pins?.stand(request.rules) ?? null;
  if (standing !== null) await standing;
  const draft = birth(request, node, newId(), null);
  let answer = await view.write(() => store.create(draft, { withResult: !request.claim.force }));
  for (let race = 0; race < maxRaces; race += 1) {
    if (answer.kind === "late") throw new StoreUnavailable("create arrived after its time limit");
    if (answer.kind === "created") return started(view, answer.record, null);
    const verdict = verdictOf(answer.record, request.claim, request.rules.policy, answer.now);
    if (verdict.verdict !== "start") return { ...verdict, result: answer.result };
    const base = answer.record;
    const next = await replace(view, base, birth(request, node, newId(), base));
    if (next !== null) return started(view, next, base);
    answer = await view.write(() =>
      store.create({ ...draft, writeId: newId() }, { withResult: !request.claim.force }),
    );
  }
  throw new StoreUnavailable("the scope changed too often to decide");
}

/** Returns the new process, or null when somebody else changed the scope first. */
export async function replace(
  view: StoreView,
  base: ProcessRecord,
  draft: Draft,
): Promise<ProcessRecord | null> {
  const { store, onTransition, pins } = view.deps;
  const learning = pins?.learn(base) ?? null;
  if (learning !== null) await learning;
  const answer = await view.write(() =>
    store.supersede(base, supersede(base, view.circumstances(base)), draft),
  );
  if (answer.kind !== "committed") return null;
  if (!isTerminal(base.status)) onTransition(base, { ...base, status: "cancelled" }, "superseded");
  return answer.record;
}

/** Durability gate of the ha profiles: nothing is sent before claim, attempt and fence are confirmed. */
export async function started(
  view: StoreView,
  record: ProcessRecord,
  superseded: ProcessRecord | null,
): Promise<Started> {
  view.deps.onTransition(null, record, "created");
  try {
    await view.confirm(record);
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    const refused = new StoreUnavailable(error.message, { cause: error });
    refused.isUnsettled = !(await isWithdrawn(view, record));
    throw refused;
  }
  return { verdict: "start", record, superseded };
}

/** P8: nothing was sent. true: nobody will send it either, and that is confirmed; the identity is free again now. */
async function isWithdrawn(view: StoreView, record: ProcessRecord): Promise<boolean> {
  try {
    const ended = await applyEvent(view, record, { type: "withdrawn", attempt: record.attempt });
    if (ended.kind !== "applied" || ended.record.executed !== "no") return false;
    await view.confirm(ended.record);
    return true;
  } catch (error) {
    if (error instanceof StoreUnavailable) return false;
    throw error;
  }
}
