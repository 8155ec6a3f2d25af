/**
 * A migration: which of two backends answers a service's clients, and what the other one gets. Its state is one record in
 * the store, the same for all nodes; here stands what a state means for the services of a file. Pure.
 *
 * M1  Backends are exchanged, names are not: the service keeps its name, routes and records, and the secondary's name
 *     stands for the backend that answers nobody. So every copy, difference and key reads alike in both directions.
 * M2  A write of a service that may be switched goes out only under a view of the state that is younger than
 *     {@link viewMs}, shows the authority the node would write to, and shows no barrier: a node that cannot renew its
 *     view sends no write.
 * M3  The authority changes only below a barrier that still stands for longer than {@link viewMs}, when every node that
 *     may have sent a write under an older view says that none is under way, and the outbox is empty.
 * M4  A node sends a copy from the outbox only under a view that it read after the copy's entry. While the entry stands
 *     the authority cannot change (M3), so the copy goes to the backend that did not answer its write.
 */
import type { MirrorPolicy, Route, Service } from "../registry/service.ts";

/** `off`: no copies. `dual-read`: reads are compared. `dual-write`: writes are copied as well, in order. */
export const migrationPhases = ["off", "dual-read", "dual-write"] as const;
export type MigrationPhase = (typeof migrationPhases)[number];

/** `first`: the service's own backend answers; `second`: that of the service named by `migration.to`. */
export type Authority = "first" | "second";

export interface MigrationState {
  /** Rises with every change. */
  readonly epoch: number;
  readonly authority: Authority;
  readonly phase: MigrationPhase;
  /** When phase and authority became what they are, epoch ms of the store's clock. */
  readonly since: number;
}

/** Writes wait: the authority may be about to change. */
export interface Barrier {
  readonly token: string;
  /** How long it still stands, ms. */
  readonly remainingMs: number;
}

/** What the store holds about one service's migration; `state` null: nobody has changed it yet, the file's modes hold. */
export interface MigrationReading {
  readonly state: MigrationState | null;
  readonly barrier: Barrier | null;
}

/** What one node says of itself. */
export interface NodeView {
  readonly node: string;
  /** The barrier that it obeys; "": none. */
  readonly barrier: string;
  /** Writes under way, and copies of writes that are not in the outbox yet. */
  readonly writes: number;
  /** Age of the word by the store's clock, ms. */
  readonly ageMs: number;
}

export interface Migrations {
  /** @throws StoreUnavailable, as all of these */
  read(service: string): Promise<MigrationReading>;
  /** A node's word about itself. */
  report(service: string, view: Omit<NodeView, "ageMs">): Promise<void>;
  /** The node has nothing under way any more, and leaves. */
  leave(service: string, node: string): Promise<void>;
  /** Words of the last minute. */
  views(service: string): Promise<readonly NodeView[]>;
  /** `stale`: the state is another one than `epoch` (0: nobody has changed it yet), or a barrier stands. */
  setPhase(
    service: string,
    epoch: number,
    next: Pick<MigrationState, "authority" | "phase">,
  ): Promise<"changed" | "stale">;
  /** Raises a barrier that falls by itself after `ms`. */
  raise(service: string, epoch: number, token: string, ms: number): Promise<"changed" | "stale">;
  /** Authority and phase become `next`, and the barrier falls. `stale`: it does not stand for long enough any more. */
  flip(
    service: string,
    epoch: number,
    token: string,
    next: Pick<MigrationState, "authority" | "phase">,
  ): Promise<"changed" | "stale">;
  /** The barrier falls, and nothing has changed. */
  lift(service: string, token: string): Promise<void>;
}

/** How long a view counts, and how long a barrier must still stand at a flip, ms. */
export const viewMs = 1000;

/** The phase that a file stands for, before anybody has changed it. */
export function configuredPhase({ routes }: Service): MigrationPhase {
  const modes = new Set(routes.map(({ mirror }) => mirror?.mode ?? "off"));
  if (modes.has("dual-write")) return "dual-write";
  return modes.has("dual-read") ? "dual-read" : "off";
}

/** The state as it is meant where nobody has changed it. */
export function stateOr(service: Service, state: MigrationState | null): MigrationState {
  return state ?? { epoch: 0, authority: "first", phase: configuredPhase(service), since: 0 };
}

/** The services as they count under these states, one for each service that may be switched and has been changed. */
export function servicesUnder(
  services: readonly Service[],
  states: ReadonlyMap<string, MigrationState>,
): readonly Service[] {
  const changed = new Map<string, Service>();
  for (const service of services) {
    const state = states.get(service.name);
    const second = services.find(({ name }) => name === service.migration?.to);
    if (state === undefined || second === undefined) continue;
    const phased = { ...service, routes: service.routes.map((route) => inPhase(route, state.phase)) };
    const isSecond = state.authority === "second";
    changed.set(service.name, isSecond ? { ...phased, ...backendOf(second) } : phased);
    if (isSecond) changed.set(second.name, { ...second, ...backendOf(service) });
  }
  return changed.size === 0 ? services : services.map((service) => changed.get(service.name) ?? service);
}

/** What belongs to the backend, and not to the name under which clients know it. */
function backendOf(service: Service) {
  const { instances, tls, health, limits, timeouts, preserveHost, affinity, breaker } = service;
  const { honoursKey, paceBy, callbackAuth, fields = { set: new Map<string, string>() } } = service;
  return {
    instances,
    tls,
    health,
    limits,
    timeouts,
    preserveHost,
    affinity,
    breaker,
    honoursKey,
    paceBy,
    callbackAuth,
    fields,
  };
}

function inPhase(route: Route, phase: MigrationPhase): Route {
  if (route.mirror === null) return route;
  const mode = phase === "dual-write" && readsOnly(route) ? "dual-read" : phase;
  const mirror: MirrorPolicy = {
    ...route.mirror,
    mode,
    rate: mode === "dual-write" ? 1 : route.mirror.rate,
  };
  return { ...route, mirror };
}

export function readsOnly({ match }: Pick<Route, "match">): boolean {
  return match.methods.length > 0 && match.methods.every((method) => !isWrite(method));
}

/** A method that may change something (RFC 9110 9.2.1). */
export function isWrite(method: string): boolean {
  return method !== "GET" && method !== "HEAD" && method !== "OPTIONS" && method !== "TRACE";
}
