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
  const { store, node, newId, confirm, pins } = view.deps;
  // Before a record names them; nothing to wait for but once after a start or a reload.
  const standing = pins?.stand(request.rules) ?? null;
  if (standing !== null) await standing;
  const draft = birth(request, node, newId(), confirm !== null, null);
  let answer = await view.write(() => store.create(draft, { withResult: !request.claim.force }));
  for (let race = 0; race < maxRaces; race += 1) {
    if (answer.kind === "late") throw new StoreUnavailable("create arrived after its time limit");
    if (answer.kind === "created") return started(view, answer.record, null);
    const verdict = verdictOf(answer.record, request.claim, request.rules.policy, answer.now);
    if (verdict.verdict !== "start") return { ...verdict, result: answer.result };
    const base = answer.record;
    const next = await replace(view, base, birth(request, node, newId(), confirm !== null, base));
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

/** Durability gate of the ha profiles: nothing is sent before the claim is confirmed. */
export async function started(
  view: StoreView,
  record: ProcessRecord,
  superseded: ProcessRecord | null,
): Promise<Started> {
  const { node, onTransition, confirm } = view.deps;
  onTransition(null, record, "created");
  if (confirm === null) return { verdict: "start", record, superseded };
  try {
    await confirm();
  } catch (error) {
    // Nothing was sent: the identity is free again now, not at the end of the lease (P8).
    await applyEvent(view, record, { type: "lease-ended" });
    throw error;
  }
  if (record.nextAttemptAt !== null) return { verdict: "start", record, superseded };
  const sent = await applyEvent(view, record, { type: "dispatched", owner: node });
  if (sent.kind === "gone") throw new StoreUnavailable("the claim was lost before its dispatch");
  return { verdict: "start", record: sent.record, superseded };
}
