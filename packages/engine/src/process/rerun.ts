/** A process's request run anew, as the next process of its scope. */
import {
  birth,
  byAlarm,
  isTerminal,
  StoreUnavailable,
  type Draft,
  type ProcessRecord,
  type Rules,
  type StoredRequest,
} from "@sticky-proxy/core/process";
import { replace, started, type Started } from "./begin.ts";
import { maxRaces, type StoreView } from "./store-view.ts";

export interface RerunOptions {
  readonly cancelRunning: boolean;
  /**
   * `here` (default): this node owns the new process and runs it. `by-alarm`: nobody does yet and its alarm rings at
   * once, so a sweeper sends it; for callers that cannot send (admin, command line) or may be gone before it ends.
   */
  readonly dispatch?: "here" | "by-alarm";
  /** Only if base is still the last process of its scope: two redrives side by side must not run it twice. */
  readonly onlyIfLast?: boolean;
  /** Names this call: while the process that it made is the scope's last one, asking again makes no other. */
  readonly key?: string | null;
  /** As in BeginRequest; default 0. */
  readonly pausedMs?: number;
}

export type Rerun =
  /** With the request that is to be sent, so that nothing stands between the record and its execution. */
  | (Started & { readonly request: StoredRequest })
  | { verdict: "running"; record: ProcessRecord }
  /** This very call has made `record` before. */
  | { verdict: "repeat"; record: ProcessRecord }
  /** The scope has run again since; record: its last process. */
  | { verdict: "superseded"; record: ProcessRecord }
  | { verdict: "no-request" };

/** @throws StoreUnavailable */
export async function rerunProcess(
  view: StoreView,
  base: ProcessRecord,
  { cancelRunning, dispatch = "here", onlyIfLast = false, key = null, pausedMs = 0 }: RerunOptions,
): Promise<Rerun> {
  const { store, onTransition, pins, rulesOf } = view.deps;
  const learning = pins?.learn(base) ?? null;
  if (learning !== null) await learning;
  const rules = pins?.rulesAnew(base) ?? rulesOf(base);
  const standing = pins?.stand(rules) ?? null;
  if (standing !== null) await standing;
  const scope = { partition: base.partition, scope: base.scope, epoch: null };
  let request: StoredRequest | null = null;
  for (let race = 0; race < maxRaces; race += 1) {
    const target = view.see(await store.read(scope, { withResult: false })).record ?? base;
    const isRepeat = key !== null && target.rerunKey === key && target.rerunOf === base.epoch;
    if (isRepeat) return { verdict: "repeat", record: target };
    if (onlyIfLast && target.epoch !== base.epoch) return { verdict: "superseded", record: target };
    if (!isTerminal(target.status) && !cancelRunning) return { verdict: "running", record: target };
    request ??= await store.readRequest(base);
    if (request === null) return { verdict: "no-request" };
    const draft = rerunDraft(view, base, request, { rules, key, pausedMs });
    const next = await replace(view, target, dispatch === "here" ? draft : byAlarm(draft));
    if (next === null) continue; // somebody else was faster: perhaps this very call
    if (dispatch === "here") return { ...(await started(view, next, target)), request };
    onTransition(null, next, "created");
    await view.confirm(next);
    return { verdict: "start", record: next, superseded: target, request };
  }
  throw new StoreUnavailable("the scope changed too often to decide");
}

function rerunDraft(
  view: StoreView,
  base: ProcessRecord,
  request: StoredRequest,
  { rules, key, pausedMs }: { readonly rules: Rules; readonly key: string | null; readonly pausedMs: number },
): Draft {
  const { node, newId } = view.deps;
  const draft = birth(
    {
      scope: base.scope,
      partition: base.partition,
      principal: base.principal,
      service: base.service,
      route: base.route,
      operation: base.operation,
      rules,
      claim: {
        fingerprint: base.fingerprint,
        credential: base.credential,
        force: true,
        onDuplicate: "replace",
      },
      holder: base.holder,
      deadlineMs: null,
      notify: base.notify,
      traceparent: base.traceparent,
      mirror: base.mirror !== null,
      pausedMs,
      request,
    },
    node,
    newId(),
    base,
  );
  return { ...draft, fields: { ...draft.fields, rerunKey: key } };
}
