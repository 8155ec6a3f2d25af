/**
 * Durable copies of requests that belong to no process: taken from the side, so that the client's exchange stays plain.
 * Once the request's body has passed, a record of its own notes the call beside the dispatch, with its intent in the
 * outbox; the primary's answer ends the record. Nobody waits for any of it, and nothing of it can fail the call (R1). What
 * cannot be noted is a gap of coverage with its reason. A node that dies in between leaves a record whose lease ends:
 * it then says that the outcome at the primary is unknown.
 */
import type { KeyObject } from "node:crypto";
import type { HeaderList, RequestHead, StoredResponse } from "@sticky-proxy/core/http";
import { partitionOf, scopeOf } from "@sticky-proxy/core/idempotency";
import { conditionFailed, requestToCopy } from "@sticky-proxy/core/mirror";
import {
  HolderOverBudget,
  resultId,
  StoreUnavailable,
  unkeyedPolicy,
  type ProcessEvent,
  type ProcessRecord,
  type Rules,
} from "@sticky-proxy/core/process";
import { provedDigest, type Principal } from "@sticky-proxy/core/principal";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";
import type { Clock } from "@sticky-proxy/protocol";
import { commitAnswer } from "../execution/commit-answer.ts";
import type { Processes } from "../process/processes.ts";
import type { Watchdog } from "../process/watchdog.ts";
import type { GapReason } from "./gaps.ts";
import type { DispatchIntent, MirrorIntents } from "./intents.ts";

/** One plain call of a route that copies durably. */
export interface SideCall {
  readonly service: Service;
  readonly route: Route;
  readonly policy: MirrorPolicy;
  readonly rules: Rules;
  /** As the service gets it. */
  readonly head: RequestHead;
  readonly principal: Principal;
  /** Whose budgets it uses up. */
  readonly holder: string;
  readonly traceparent: string;
  /** The request's whole body once it has passed, or why there is no copy of it. Never rejects. */
  readonly body: Promise<Uint8Array | GapReason | "broken">;
  /** What became of the call. Never rejects. */
  readonly ending: Promise<SideEnding>;
}

export type SideEnding =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly headers: HeaderList;
      /** null: too large to be compared, an endless stream, or cut. */
      readonly body: Uint8Array | null;
    }
  | { readonly kind: "failed"; readonly executed: "no" | "unknown"; readonly reason: string };

export interface SideCopiesDeps {
  readonly processes: Processes;
  readonly watchdog: Watchdog;
  readonly intents: MirrorIntents;
  readonly secret: KeyObject;
  readonly newId: () => string;
  readonly clock: Pick<Clock, "monotonic">;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
}

export interface SideCopies {
  /** Notes the call; returns at once and never throws. */
  begin(call: SideCall): void;
  /** Resolves when every call that was begun has been noted. */
  idle(): Promise<void>;
}

export function createSideCopies(deps: SideCopiesDeps): SideCopies {
  const running = new Set<Promise<void>>();
  return {
    begin(call) {
      const end = deps.intents.begin(call.service.name);
      const done = noteCall(deps, call)
        .catch(deps.onFailure)
        .finally(() => {
          end();
          running.delete(done);
        });
      running.add(done);
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

async function noteCall(deps: SideCopiesDeps, call: SideCall): Promise<void> {
  const { intents } = deps;
  const body = await call.body;
  // The primary has not had the whole request; whether it acted on a part is its own business.
  if (body === "broken") return;
  if (typeof body === "string") return noteGap(deps, call, body);
  if (!intents.hasRoom(call.service.name, call.policy, body.length)) return noteGap(deps, call, "lag");
  let record: ProcessRecord;
  try {
    record = await born(deps, call, body);
  } catch (error) {
    if (error instanceof HolderOverBudget) return noteGap(deps, call, "memory");
    if (!(error instanceof StoreUnavailable)) throw error;
    return noteGap(deps, call, "store-away");
  }
  const tracked = deps.watchdog.track(record, deps.processes.writtenAt(record), () => undefined);
  let intent: DispatchIntent | null = null;
  try {
    intent = await intents.beforeDispatch(record, { head: call.head, key: null, body });
    const ending = await call.ending;
    tracked.release(); // before the commit that ends ownership, so that its renewal is never counted as lost
    await commitAnswer(deps, record, attemptOf(record, ending), intent);
  } finally {
    tracked.release();
    await intent?.close();
  }
}

/** A call that the primary refused, or never got, leaves nothing to copy: then there is no gap either. */
async function noteGap({ intents }: SideCopiesDeps, call: SideCall, reason: GapReason): Promise<void> {
  const ending = await call.ending;
  const { mirror4xx } = call.policy;
  if (ending.kind === "failed" && ending.executed === "no") return;
  if (ending.kind === "answered" && ending.status < 500) {
    if (conditionFailed(ending.status) || (ending.status >= 400 && !mirror4xx)) return;
  }
  intents.noteUncopied(call.service.name, call.route.name, reason);
}

/** @throws StoreUnavailable, HolderOverBudget */
async function born(
  { processes, secret, newId }: SideCopiesDeps,
  call: SideCall,
  body: Uint8Array,
): Promise<ProcessRecord> {
  const { service, route, policy, principal, head } = call;
  const scope = scopeOf(secret, {
    principal: provedDigest(principal),
    service: service.name,
    host: "",
    identity: { kind: "random", value: newId() },
  });
  const begun = await processes.begin({
    scope,
    partition: partitionOf(scope, processes.store.partitions),
    principal: principal.subject,
    service: service.name,
    route: route.name,
    operation: `${head.method} ${head.path}`,
    // What was sent once is sent by nobody else: the client's exchange is its only attempt.
    rules: { ...call.rules, policy: unkeyedPolicy, retries: { ...call.rules.retries, attempts: 1 } },
    claim: { fingerprint: "", credential: "", force: false, onDuplicate: "join" },
    holder: call.holder,
    deadlineMs: null,
    notify: null,
    traceparent: call.traceparent,
    mirror: true,
    pausedMs: 0,
    request: requestToCopy({ head, key: null, body }, policy, service.credential),
  });
  if (begun.verdict !== "start") throw new StoreUnavailable("a random scope was taken");
  return begun.record;
}

/** A service that gives up after it got the whole request may have acted on it. */
const unknownStatuses: ReadonlySet<number> = new Set([408, 502, 504]);

function attemptOf(record: ProcessRecord, ending: SideEnding): Parameters<typeof commitAnswer>[2] {
  const seen = { result: null, live: null, sawAnswer: ending.kind === "answered", pause: null };
  return { ...seen, event: eventOf(record, ending) };
}

/** The exchange is the client's own: its front reports how it ended, and nothing of it is sent again. */
function eventOf({ attempt }: ProcessRecord, ending: SideEnding): ProcessEvent {
  if (ending.kind === "failed" || unknownStatuses.has(ending.status)) {
    const executed = ending.kind === "failed" ? ending.executed : "unknown";
    const reason = ending.kind === "failed" ? ending.reason : `status ${ending.status}`;
    return {
      type: "reported-failure",
      attempt,
      retryable: false,
      executed,
      reason,
      result: null,
      message: null,
    };
  }
  const { status, headers, body } = ending;
  const response: StoredResponse | null = body === null ? null : { status, headers, body };
  const result = response === null ? null : { id: resultId(response), response };
  return { type: "called-back", attempt, status, result, message: null };
}
