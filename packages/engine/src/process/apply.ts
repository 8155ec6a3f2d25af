/** An event applied to a process: read, decide, commit; on `stale` read and decide again. */
import {
  StoreUnavailable,
  transition,
  type ProcessEvent,
  type ProcessRecord,
  type Transition,
} from "@sticky-proxy/core/process";
import { maxRaces, type StoreView } from "./store-view.ts";

export type Applied =
  | { readonly kind: "applied"; readonly record: ProcessRecord; readonly from: ProcessRecord }
  | { readonly kind: "same"; readonly record: ProcessRecord }
  | {
      readonly kind: "refused";
      readonly slug: Extract<Transition, { kind: "refuse" }>["slug"];
      readonly record: ProcessRecord;
    }
  | { readonly kind: "not-due"; readonly record: ProcessRecord }
  /** The record of that id was removed. */
  | { readonly kind: "gone" };

/** `ifDue`: only while the record's alarm is still due. @throws StoreUnavailable */
export async function applyEvent(
  view: StoreView,
  base: ProcessRecord,
  event: ProcessEvent,
  options: { readonly ifDue?: boolean } = {},
): Promise<Applied> {
  const { store, newId, onTransition, onRefused, pins } = view.deps;
  const learning = pins?.learn(base) ?? null;
  if (learning !== null) await learning;
  let record = base;
  for (let race = 0; race < maxRaces; race += 1) {
    const decided = transition(record, event, view.circumstances(record));
    if (decided.kind === "same") return { kind: "same", record };
    if (decided.kind === "refuse") {
      if (decided.slug === "execution-stale" || event.type === "responded" || event.type === "accepted") {
        onRefused?.(record, event.type);
      }
      // A refusal may be based on an outdated record; refusing is safe (P2, P10).
      return { kind: "refused", slug: decided.slug, record };
    }
    const writeId = newId();
    const answer = await view.write(() =>
      store.commit(record, decided.change, { ifDue: options.ifDue ?? false, writeId }),
    );
    switch (answer.kind) {
      case "committed":
        onTransition(record, answer.record, decided.change.entry.event);
        return { kind: "applied", record: answer.record, from: record };
      case "not-due":
        return { kind: "not-due", record: answer.record };
      case "stale": {
        const current =
          answer.record !== null && answer.record.epoch === base.epoch
            ? answer.record
            : view.see(await store.read(base, { withResult: false })).record;
        if (current === null) {
          onRefused?.(record, event.type);
          return { kind: "gone" };
        }
        record = current;
      }
    }
  }
  throw new StoreUnavailable("the process changed too often to decide");
}
