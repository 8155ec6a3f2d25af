/** Moving a service's clients from one backend to the other, and back: show, set the phase, switch. */
import {
  areDrained,
  gatesOf,
  stateOr,
  viewMs,
  type Authority,
  type Barrier,
  type Differences,
  type Gate,
  type Lag,
  type MigrationPhase,
  type Migrations,
  type MigrationState,
  type NodeView,
  type Outbox,
} from "@sticky-proxy/core/mirror";
import type { Service } from "@sticky-proxy/core/registry";
import type { Clock } from "@sticky-proxy/protocol";

export interface MigrationPorts {
  readonly migrations: Migrations;
  readonly outbox: Pick<Outbox, "lag">;
  readonly differences: Pick<Differences, "coverage">;
  /** Of the file. */
  readonly configured: () => readonly Service[];
  readonly clock: Pick<Clock, "monotonic">;
  readonly sleep: (ms: number) => Promise<void>;
  /** Fresh, unguessable. */
  readonly newToken: () => string;
}

export interface MigrationFacts {
  readonly service: string;
  /** Names of the backends: who answers, and who gets copies. */
  readonly answers: string;
  readonly copiesTo: string;
  readonly state: MigrationState;
  readonly barrier: Barrier | null;
  readonly nodes: readonly NodeView[];
  readonly lag: Lag | null;
  /** What a switch asks for, as it is now; the lag is asked for below its barrier only. */
  readonly gates: readonly Gate[];
}

export type SwitchResult =
  | { readonly result: "switched" | "already" | "busy" }
  /** Nothing has changed. `timed-out`: the last copies took longer than the barrier may stand. */
  | { readonly result: "closed" | "timed-out"; readonly gates: readonly Gate[] };

/** Between two looks while a barrier stands. */
const lookMs = 100;
/** What a flip needs besides the time that the barrier must still stand. */
const spareMs = 200;

/** One for each service that may be moved. @throws StoreUnavailable */
export async function listMigrations(ports: MigrationPorts): Promise<readonly MigrationFacts[]> {
  const names = ports.configured().flatMap(({ name, migration }) => (migration === null ? [] : [name]));
  const found = await Promise.all(names.map((name) => showMigration(ports, name)));
  return found.filter((facts) => facts !== null);
}

/** null: no service of that name may be moved. @throws StoreUnavailable */
export async function showMigration(ports: MigrationPorts, name: string): Promise<MigrationFacts | null> {
  const service = movable(ports, name);
  return service === null ? null : look(ports, service, null);
}

/**
 * `busy`: somebody else is changing it. `copies-wait`: it would leave copies behind that are not made yet.
 * null: no service of that name may be moved. @throws StoreUnavailable
 */
export async function setPhase(
  ports: MigrationPorts,
  name: string,
  phase: MigrationPhase,
): Promise<"changed" | "busy" | "copies-wait" | null> {
  const service = movable(ports, name);
  if (service === null) return null;
  const { state, lag } = await look(ports, service, null);
  if (phase !== "dual-write" && (lag?.entries ?? 0) > 0) return "copies-wait";
  const { authority } = state;
  const done = await ports.migrations.setPhase(name, state.epoch, { authority, phase });
  return done === "stale" ? "busy" : "changed";
}

/**
 * Gates, barrier, drain, flip (M3); a gate that is closed, or a time that runs out, changes nothing.
 * null: no service of that name may be moved. @throws StoreUnavailable; a barrier that stands then falls by itself
 */
export async function switchAuthority(
  ports: MigrationPorts,
  name: string,
  to: Authority,
): Promise<SwitchResult | null> {
  const service = movable(ports, name);
  if (service === null) return null;
  const before = await look(ports, service, null);
  const { state } = before;
  if (state.authority === to) return { result: "already" };
  if (before.barrier !== null) return { result: "busy" };
  if (before.gates.some(({ isOpen }) => !isOpen)) return { result: "closed", gates: before.gates };
  const { migrations, clock } = ports;
  const { barrierMs } = service.migration!;
  const token = ports.newToken();
  const startedAt = clock.monotonic();
  if ((await migrations.raise(name, state.epoch, token, barrierMs)) === "stale") return { result: "busy" };
  let facts = before;
  try {
    // A node that has not looked since may go on for as long.
    await ports.sleep(1.5 * viewMs);
    while (clock.monotonic() - startedAt < barrierMs - 2 * viewMs - spareMs) {
      facts = await look(ports, service, token);
      const closed = facts.gates.filter(({ isOpen }) => !isOpen);
      if (closed.length === 0 && areDrained(facts.nodes, token)) {
        const next = { authority: to, phase: state.phase };
        const done = await migrations.flip(name, state.epoch, token, next);
        return done === "changed" ? { result: "switched" } : { result: "timed-out", gates: facts.gates };
      }
      if (closed.some((gate) => gate.name !== "lag")) return { result: "closed", gates: facts.gates };
      await ports.sleep(lookMs);
    }
    return { result: "timed-out", gates: withBusyNodes(facts, token) };
  } finally {
    await migrations.lift(name, token).catch(() => undefined); // it falls by itself
  }
}

function movable({ configured }: MigrationPorts, name: string): Service | null {
  const service = configured().find((one) => one.name === name);
  return service === undefined || service.migration === null ? null : service;
}

/** Nodes first: a copy that a node no longer counts stands in the outbox. */
async function look(
  { migrations, outbox, differences }: MigrationPorts,
  service: Service,
  token: string | null,
): Promise<MigrationFacts> {
  const { name, migration } = service;
  const nodes = await migrations.views(name);
  const { state: known, barrier } = await migrations.read(name);
  const state = stateOr(service, known);
  const since = known === null ? null : known.since;
  const lag = (await outbox.lag()).get(name) ?? null;
  const coverage = await differences.coverage({ since, service: name });
  const isFirst = state.authority === "first";
  return {
    service: name,
    answers: isFirst ? name : migration!.to,
    copiesTo: isFirst ? migration!.to : name,
    state,
    barrier,
    nodes,
    lag,
    gates: gatesOf({ service, state, coverage, lag, views: nodes }, token),
  };
}

function withBusyNodes({ gates, nodes }: MigrationFacts, token: string): readonly Gate[] {
  const busy = nodes.filter((view) => !areDrained([view], token));
  if (busy.length === 0) return gates;
  const found = busy.map(({ node, writes }) => `${node} has ${writes} writes under way`).join("; ");
  return gates.map((gate) => (gate.name === "nodes" ? { ...gate, isOpen: false, found } : gate));
}

/** For people and programs: times as text, and no token of a barrier. */
export function migrationView({ state, barrier, nodes, ...facts }: MigrationFacts): object {
  const { epoch, authority, phase, since } = state;
  return {
    ...facts,
    epoch,
    authority,
    phase,
    since: since === 0 ? null : new Date(since).toISOString(),
    barrier: barrier === null ? null : { remainingMs: barrier.remainingMs },
    nodes: nodes.map(({ node, writes, ageMs, barrier: obeyed }) => ({
      node,
      writes,
      ageMs,
      waits: obeyed !== "",
    })),
  };
}
