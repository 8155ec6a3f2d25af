/** Moving a service's clients to the other backend: where each stands, its phase, the switch. */
import { migrationPhases, type Authority, type MigrationPhase } from "@sticky-proxy/core/mirror";
import {
  listMigrations,
  migrationView,
  setPhase,
  showMigration,
  switchAuthority,
} from "@sticky-proxy/operations";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import { route, type Route } from "../http/route.ts";
import { anyObject, answerObject, list, object, reason } from "./schemas.ts";

const notMovable = (): Problem =>
  new Problem("process-not-found", { detail: "no service of that name has a migration" });

export function migrationRoutes({ moving }: AdminDeps): readonly Route[] {
  return [
    route({
      method: "GET",
      path: "/mirror/migrations",
      role: "viewer",
      operationId: "listMigrations",
      summary: "Services whose clients may be moved: who answers, what is copied, what a switch asks for",
      answer: answerObject({ items: list(anyObject) }),
      async run() {
        return { status: 200, body: { items: (await listMigrations(moving)).map(migrationView) } };
      },
    }),
    route({
      method: "GET",
      path: "/mirror/migrations/:service",
      role: "viewer",
      operationId: "showMigration",
      summary: "One of them",
      answer: anyObject,
      problems: ["process-not-found"],
      async run({ params }) {
        const found = await showMigration(moving, params["service"]!);
        if (found === null) throw notMovable();
        return { status: 200, body: migrationView(found) };
      },
    }),
    route<unknown, { phase: MigrationPhase; reason: string }>({
      method: "POST",
      path: "/mirror/migrations/:service\\:phase",
      role: "admin",
      operationId: "setMigrationPhase",
      summary: "Sets what the other backend gets; `result` is changed, busy or copies-wait",
      body: object({ phase: { type: "string", enum: migrationPhases }, reason }, ["phase", "reason"]),
      answer: answerObject({ result: { type: "string" } }),
      problems: ["process-not-found"],
      audit: ({ params, body }) => ({
        action: "mirror.phase",
        target: `${params["service"]!} ${body.phase}`,
        reason: body.reason,
      }),
      async run({ params, body }) {
        const result = await setPhase(moving, params["service"]!, body.phase);
        if (result === null) throw notMovable();
        return { status: result === "changed" ? 200 : 409, body: { result } };
      },
    }),
    route<unknown, { to: Authority; reason: string }>({
      method: "POST",
      path: "/mirror/migrations/:service\\:switch",
      role: "admin",
      operationId: "switchMigration",
      summary: "Lets the other backend answer; `result` is switched, already, busy, closed or timed-out",
      body: object({ to: { type: "string", enum: ["first", "second"] }, reason }, ["to", "reason"]),
      answer: answerObject({ result: { type: "string" }, gates: list(anyObject) }),
      problems: ["process-not-found"],
      audit: ({ params, body }) => ({
        action: "mirror.switch",
        target: `${params["service"]!} ${body.to}`,
        reason: body.reason,
      }),
      async run({ params, body }) {
        const done = await switchAuthority(moving, params["service"]!, body.to);
        if (done === null) throw notMovable();
        const isDone = done.result === "switched" || done.result === "already";
        return { status: isDone ? 200 : 409, body: done };
      },
    }),
  ];
}
