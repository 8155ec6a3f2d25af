/**
 * A node's view of the migrations: the services under their current state, and the gate in front of the backends.
 * Reads go to the last known authority. A write needs a recent view that shows no barrier and the authority under which
 * the write was matched (M2). With each renewal the node reports its writes under way, so that a switch can wait for them.
 */
import {
  isWrite,
  servicesUnder,
  stateOr,
  viewMs,
  type MigrationReading,
  type Migrations,
  type MigrationState,
} from "@sticky-proxy/core/mirror";
import type { Service } from "@sticky-proxy/core/registry";
import type { Clock } from "@sticky-proxy/protocol";
import { failedWith, type Failed, type Forwarder, type ForwardRequest } from "@sticky-proxy/upstream";

export interface NodeMigrationsDeps {
  readonly migrations: Migrations;
  /** Of the file; a reload replaces them. */
  readonly configured: () => readonly Service[];
  /** Name of this node in what it says of itself. */
  readonly node: string;
  readonly clock: Pick<Clock, "monotonic">;
}

/** Why a write of the service may not go out now: the store does not answer, or the authority may be about to change. */
export type WriteHold = "stale" | "barrier";

export interface NodeMigrations {
  /** As they count now; a new array when anything changed. */
  services(): readonly Service[];
  /** Whether a write to this service, as it was matched, may go out. null: it may. */
  holdOf(service: Service, method: string): WriteHold | null;
  /** Resolves when the hold may have ended: at the next look. */
  next(): Promise<void>;
  /** Something of the service is under way until the returned function is called. */
  begin(service: string): () => void;
  /** Counts what else is under way, whatever its service. */
  alsoCount(count: () => number): void;
  /** In front of every backend that answers clients. */
  guard<F extends Forwarder>(forwarder: F): F;
  /** Looks, and says what is under way. @throws StoreUnavailable; then the old view grows older */
  refresh(): Promise<void>;
  /** Resolves after a look that began after the call; calls share looks. @throws StoreUnavailable (M4) */
  latest(): Promise<void>;
  /** Nothing is under way any more. @throws StoreUnavailable */
  leave(): Promise<void>;
}

interface View {
  readonly reading: MigrationReading;
  /** Monotonic time before the look began. */
  readonly at: number;
  /** When the barrier has fallen by itself; 0: none stands. */
  readonly heldUntil: number;
}

export function createNodeMigrations(deps: NodeMigrationsDeps): NodeMigrations {
  const { migrations, configured, clock } = deps;
  const views = new Map<string, View>();
  const { begin, alsoCount, countOf } = createRunning();
  let looks = Promise.withResolvers<void>();
  let memo: { readonly of: readonly Service[]; readonly services: readonly Service[] } | null = null;

  /** Under which authority a service object was handed out; only services that may be switched have one. */
  const authorities = new WeakMap<Service, MigrationState["authority"]>();

  const movable = (): readonly Service[] => configured().filter(({ migration }) => migration !== null);

  function services(): readonly Service[] {
    const of = configured();
    if (memo?.of === of) return memo.services;
    const states = new Map<string, MigrationState>();
    for (const [name, { reading }] of views) if (reading.state !== null) states.set(name, reading.state);
    const under = servicesUnder(of, states).map((service) => marked(service, states));
    memo = { of, services: under };
    return under;
  }

  function marked(service: Service, states: ReadonlyMap<string, MigrationState>): Service {
    if (service.migration === null) return service;
    const own = { ...service };
    authorities.set(own, stateOr(service, states.get(service.name) ?? null).authority);
    return own;
  }

  function holdOf(service: Service, method: string): WriteHold | null {
    const { migration } = service;
    if (migration === null || !isWrite(method)) return null;
    const view = views.get(service.name);
    const now = clock.monotonic();
    if (view === undefined || now - view.at > viewMs) return "stale";
    if (now < view.heldUntil) return "barrier";
    const authority = stateOr(service, view.reading.state).authority;
    return authorities.get(service) === authority ? null : "barrier";
  }

  async function forwardHeld(forwarder: Forwarder, request: ForwardRequest) {
    const { service, head } = request;
    if (service.migration === null || !isWrite(head.method)) return forwarder.forward(request);
    const hold = holdOf(service, head.method);
    if (hold !== null) return refused(hold);
    const end = begin(service.name);
    try {
      return await forwarder.forward(request);
    } finally {
      end();
    }
  }

  async function look(service: Service): Promise<void> {
    const at = clock.monotonic();
    const reading = await migrations.read(service.name);
    if ((views.get(service.name)?.at ?? -Infinity) > at) return; // overtaken by a later look
    const remaining = reading.barrier?.remainingMs ?? 0;
    if (views.get(service.name)?.reading.state?.epoch !== reading.state?.epoch) memo = null;
    views.set(service.name, {
      reading,
      at,
      heldUntil: reading.barrier === null ? 0 : clock.monotonic() + remaining,
    });
    const writes = countOf(service.name);
    await migrations.report(service.name, {
      node: deps.node,
      barrier: reading.barrier?.token ?? "",
      writes,
    });
  }

  async function refresh(): Promise<void> {
    try {
      await Promise.all(movable().map(look));
    } finally {
      const ended = looks;
      looks = Promise.withResolvers();
      ended.resolve();
    }
  }

  const nextRefresh = sharedNext(refresh);

  return {
    services,
    holdOf,
    next: () => looks.promise,
    begin,
    alsoCount,
    guard: (forwarder) => ({ ...forwarder, forward: (request) => forwardHeld(forwarder, request) }),
    refresh,
    latest: () => (movable().length === 0 ? Promise.resolve() : nextRefresh()),
    async leave() {
      await Promise.all(movable().map(({ name }) => migrations.leave(name, deps.node)));
    },
  };
}

/** Each call gets a run of `work` that begins after it; runs follow one another, and calls that wait share the next. */
function sharedNext(work: () => Promise<void>): () => Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  let next: Promise<void> | null = null;
  return () => {
    next ??= last
      .catch(() => undefined) // it is another caller's
      .then(() => {
        next = null;
        const running = work();
        last = running;
        return running;
      });
    return next;
  };
}

/** What is under way, by service. */
function createRunning() {
  const running = new Map<string, number>();
  const others: (() => number)[] = [];
  return {
    begin(service: string): () => void {
      running.set(service, (running.get(service) ?? 0) + 1);
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        running.set(service, running.get(service)! - 1);
      };
    },
    alsoCount(count: () => number): void {
      others.push(count);
    },
    countOf: (service: string): number =>
      (running.get(service) ?? 0) + others.reduce((sum, count) => sum + count(), 0),
  };
}

function refused(hold: WriteHold): Failed {
  return hold === "stale"
    ? failedWith("store-unavailable", "destination_unavailable", staleDetail, { retryAfter: 1 })
    : failedWith("switching", "destination_unavailable", barrierDetail, { retryAfter: 1 });
}

export const staleDetail = "The service may be moved, and this node cannot learn where it is now.";
export const barrierDetail = "The service is being moved to another backend.";
