/**
 * Writes an intent for each dispatch of a dual-write process, wherever that happens: before it where the route requires
 * the intent, else while the primary is at it, so that nobody waits for the write. Either way it stands before the
 * answer is committed, so what anybody writes who has seen the answer comes behind it. An execution whose intent could
 * not be written by then (store away, lag beyond its bound) is a coverage gap: remembered here, and put into the outbox
 * as such when that is possible again, so that its record is released and the sum still adds up. A node that dies
 * before its intent stands leaves a record that says "pending": whoever takes it over writes it (`recover`).
 */
import { Problem, type Clock } from "@sticky-proxy/protocol";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { ProcessRecord, StoredRequest } from "@sticky-proxy/core/process";
import { provedDigest } from "@sticky-proxy/core/principal";
import type { MirrorPolicy } from "@sticky-proxy/core/registry";
import {
  coverageWindow,
  type Intent,
  orderKeyPartition,
  orderKeys,
  type OrderSecret,
  type Lag,
  type Outbox,
  type StoreMemory,
} from "@sticky-proxy/core/mirror";
import { createBacklog } from "./backlog.ts";
import { Gaps, type GapReason } from "./gaps.ts";

export interface MirrorIntentsDeps {
  readonly outbox: Outbox;
  /** The policy of a route; null: not mirrored (any more). */
  readonly policyOf: (service: string, route: string) => MirrorPolicy | null;
  readonly secret: OrderSecret;
  readonly configVersion: () => string;
  /** The store's time as far as this node knows it. */
  readonly clock: Pick<Clock, "now">;
  /** How long an append may take before it refuses itself. */
  readonly validForMs: number;
  /** Lines that tell gateways behind the service that the copy is made here. */
  readonly marks: (head: RequestHead) => HeaderList;
  readonly onGap: (gap: GapReason, place: { readonly service: string; readonly route: string }) => void;
  /** What the store has room for in copies, by its memory. */
  readonly memory: () => StoreMemory;
  /** A call whose intent may not stand yet is under way until the returned function is called. */
  readonly begin: (service: string) => () => void;
}

/** What stands in the outbox for one dispatch. */
export interface DispatchIntent {
  /** Lines that the service gets with this dispatch: a copy is made here, so nobody behind makes another. */
  readonly marks: HeaderList;
  /**
   * The answer is there and about to be committed: an intent that is missing is written now, so that whatever anybody
   * writes who has seen the answer comes behind it. Never rejects; does nothing where the intent stands.
   */
  ensure(): Promise<void>;
  /** The dispatch is over: an intent that is still missing is tried a last time, or becomes a gap. Never rejects. */
  close(): Promise<void>;
}

export interface MirrorIntents {
  /**
   * Before the request goes to the primary. Nothing for a process that is not to be mirrored.
   * @throws Problem store-unavailable where the route requires the intent and it cannot be written; nothing was sent.
   */
  beforeDispatch(record: ProcessRecord, request: StoredRequest): Promise<DispatchIntent>;
  /**
   * A finished process that still waits for its copy, and no intent of its key is in the outbox: it ended before its
   * first dispatch, or its node died before the intent stood or with the gap in memory. Its intent is written now, as a gap.
   * @throws StoreUnavailable
   */
  recover(record: ProcessRecord, request: StoredRequest): Promise<void>;
  /** Whether one more copy of so many bytes may wait for the secondary. */
  hasRoom(service: string, policy: MirrorPolicy, bytes: number): boolean;
  /** A call of the service that will have an intent is under way until the returned function is called. */
  begin(service: string): () => void;
  /** A plain call that cannot be copied: written with the next tick. */
  noteUncopied(service: string, route: string, reason: GapReason): void;
  /** Refreshes the lag and writes the gaps that are due. Call it every second or so. @throws StoreUnavailable */
  tick(): Promise<void>;
  /** As of the last tick, for metrics. */
  readonly lag: ReadonlyMap<string, Lag>;
  /** Gaps that wait to be written. */
  readonly unwritten: number;
}

const unmirrored: DispatchIntent = { marks: [], ensure: async () => undefined, close: async () => undefined };

export function createMirrorIntents(deps: MirrorIntentsDeps): MirrorIntents {
  const { outbox, policyOf } = deps;
  const gaps = new Gaps(deps);
  const backlog = createBacklog(deps.memory);

  return {
    get lag() {
      return backlog.lag;
    },
    begin: deps.begin,
    hasRoom: (service, policy, bytes) => backlog.hasRoom(service, policy.maxLag, bytes),
    noteUncopied(service, route, reason) {
      deps.onGap(reason, { service, route });
      gaps.add(service, route, reason);
    },
    get unwritten() {
      return gaps.count;
    },

    async recover(record, request) {
      if (record.mirror !== "pending") return;
      const intent = intentOf(deps, record, request, policyOf(record.service, record.route));
      const place = orderKeyPartition(intent.orderKey, outbox.partitions);
      const { pending } = await outbox.keyState(place, intent.orderKey);
      if (pending === 0) await outbox.append({ ...intent, gap: "gap" }, { validUntil: null });
    },

    async beforeDispatch(record, request) {
      if (record.mirror !== "pending") return unmirrored;
      const policy = policyOf(record.service, record.route);
      const intent = intentOf(deps, record, request, policy);
      const bytes = request.body.length;
      const behind = policy !== null && !backlog.hasRoom(record.service, policy.maxLag, bytes);
      const end = deps.begin(record.service);
      if (!behind) backlog.added(record.service, bytes);
      let standing = behind ? Promise.resolve(false) : isAppended(deps, intent);
      if (policy?.outbox === "required" && !(await standing)) {
        end();
        throw intentRequired(record.service);
      }
      // If a try without an answer took effect after all, the drain finds the next one already mirrored.
      async function ensure(): Promise<void> {
        if (behind || (await standing)) return;
        standing = isAppended(deps, intent);
        await standing;
      }
      return {
        marks: deps.marks(request.head),
        ensure,
        async close() {
          await ensure();
          if (!(await standing)) {
            const gap = behind ? "lag" : "gap";
            deps.onGap(gap, intent);
            gaps.remember(intent, gap);
          }
          end();
        },
      };
    },

    async tick() {
      await gaps.write(await backlog.refresh(outbox));
    },
  };
}

function intentOf(
  { secret, configVersion, clock }: MirrorIntentsDeps,
  record: ProcessRecord,
  request: StoredRequest,
  policy: MirrorPolicy | null,
): Intent {
  const { partition, scope, epoch, fence, service, route, principal: subject, credential } = record;
  const principal = provedDigest({ subject, digest: credential });
  const source = { principal, service, head: request.head, body: request.body };
  return {
    partition,
    scope,
    epoch,
    fence,
    service,
    route,
    ...orderKeys(source, policy?.orderKey ?? null, secret),
    configVersion: configVersion(),
    bodyBytes: request.body.length,
    window: coverageWindow(clock.now()),
    gap: null,
    dispatchedAt: record.updatedAt,
  };
}

/** Never rejects. */
async function isAppended(
  { outbox, clock, validForMs }: MirrorIntentsDeps,
  intent: Intent,
): Promise<boolean> {
  const written = await outbox.append(intent, { validUntil: clock.now() + validForMs }).catch(() => "failed");
  return written === "appended";
}

function intentRequired(service: string): Problem {
  return new Problem("store-unavailable", {
    service,
    executed: "no",
    detail: "The request could not be noted for the second service, which this route requires.",
    headers: { "Retry-After": "1" },
  });
}
