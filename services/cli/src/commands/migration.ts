/** `mirror phase` and `mirror switch`: which backend answers, and what the other one gets. */
import { migrationPhases, type Gate } from "@sticky-proxy/core/mirror";
import {
  listMigrations,
  migrationView,
  setPhase,
  showMigration,
  switchAuthority,
  type MigrationFacts,
  type MigrationPorts,
} from "@sticky-proxy/operations";
import { exitCodes, UsageError, type Io, type Parsed } from "../command.ts";
import type { Act } from "../connections/audit.ts";

export interface MigrationCall {
  readonly moving: MigrationPorts;
  readonly act: Act;
  readonly flags: Parsed["flags"];
  /** null: all of them. */
  readonly service: string | null;
  /** The phase to set; null: show. */
  readonly phase: string | null;
  readonly io: Io;
}

/** Without a phase: shows state and gates. @throws UsageError, StoreUnavailable */
export async function phase(call: MigrationCall): Promise<number> {
  const { moving, act, flags, service, io } = call;
  if (call.phase === null || service === null) return show(call);
  const wanted = migrationPhases.find((one) => one === call.phase);
  if (wanted === undefined) throw new UsageError(`the phase is one of: ${migrationPhases.join(", ")}`);
  const deed = { action: "mirror.phase", target: `${service} ${wanted}` };
  const done = await act(deed, flags, () => setPhase(moving, service, wanted), String);
  if (done === "changed") return show({ ...call, phase: null });
  if (done === null) return notMovable(io, service);
  io.err(
    done === "busy"
      ? `somebody else is changing ${service}; look again`
      : `copies of ${service} wait for the other backend: they would be left behind (mirror parked, mirror gaps)`,
  );
  return exitCodes.failed;
}

/** `--back`: the service's own backend answers again. @throws StoreUnavailable */
export async function switchOver(call: MigrationCall & { readonly service: string }): Promise<number> {
  const { moving, act, flags, service, io } = call;
  const to = flags["back"] === true ? "first" : "second";
  const deed = { action: "mirror.switch", target: `${service} ${to}` };
  const done = await act(
    deed,
    flags,
    () => switchAuthority(moving, service, to),
    (outcome) => outcome?.result ?? "not-found",
  );
  if (done === null) return notMovable(io, service);
  switch (done.result) {
    case "switched":
    case "already":
      return show(call);
    case "busy":
      io.err(`somebody else is changing ${service}; look again`);
      return exitCodes.failed;
    case "closed":
    case "timed-out":
      io.err(
        done.result === "closed"
          ? `${service} stays where it is: a gate is closed`
          : `${service} stays where it is: the last copies took too long (migration.barrierMs)`,
      );
      for (const line of gateLines(done.gates)) io.err(line);
      return exitCodes.failed;
  }
}

async function show({ moving, flags, service, io }: MigrationCall): Promise<number> {
  const one = service === null ? null : await showMigration(moving, service);
  if (service !== null && one === null) return notMovable(io, service);
  const all = one === null ? await listMigrations(moving) : [one];
  if (flags["json"] === true) io.out(JSON.stringify({ migrations: all.map(migrationView) }));
  else for (const facts of all) for (const line of linesOf(facts)) io.out(line);
  return exitCodes.ok;
}

function linesOf({
  service,
  answers,
  copiesTo,
  state,
  barrier,
  nodes,
  lag,
  gates,
}: MigrationFacts): string[] {
  const copies = state.phase === "off" ? "no copies" : `${state.phase} to ${copiesTo}`;
  const waits = barrier === null ? "" : `, writes wait for at most ${barrier.remainingMs} ms`;
  return [
    `${service}: ${answers} answers, ${copies}, ${lag?.entries ?? 0} copies wait${waits}`,
    ...nodes.map(({ node, writes, ageMs }) => `  node ${node}: ${writes} writes under way, ${ageMs} ms ago`),
    ...gateLines(gates),
  ];
}

function gateLines(gates: readonly Gate[]): string[] {
  return gates.map(({ name, isOpen, found }) => `  ${isOpen ? "open  " : "closed"} ${name}: ${found}`);
}

function notMovable(io: Io, service: string): number {
  io.err(`the configuration has no service ${service} with a migration`);
  return exitCodes.failed;
}
