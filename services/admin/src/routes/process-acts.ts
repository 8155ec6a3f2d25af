/** What operators do with one process: cancel, run again, forget. */
import { isTerminal, type ProcessRecord } from "@sticky-proxy/core/process";
import { cancelProcess, rerunProcess } from "@sticky-proxy/operations";
import { Problem } from "@sticky-proxy/protocol";
import type { AdminDeps } from "../deps.ts";
import { route, type Answer, type Call, type Route } from "../http/route.ts";
import { readRecord, refOf } from "./process-detail.ts";
import { detailView } from "./process-view.ts";
import { anyObject, object, reason } from "./schemas.ts";

interface Reasoned {
  readonly reason: string;
}

/** @throws Problem precondition-failed when the caller saw another version */
export async function readSeen(
  deps: Pick<AdminDeps, "processes">,
  { params, version }: Pick<Call<unknown, unknown>, "params" | "version">,
): Promise<ProcessRecord> {
  const record = await readRecord(deps, params["id"]!);
  if (version !== null && record.version !== version)
    throw new Problem("precondition-failed", {
      detail: "the process has changed since you saw it",
      extensions: { process: detailView(record) },
    });
  return record;
}

export function processActRoutes(deps: AdminDeps): readonly Route[] {
  const { processes, tellCancelled } = deps;
  const changed = (record: ProcessRecord): Answer => ({ status: 200, body: detailView(record) });

  return [
    route<unknown, Reasoned>({
      method: "POST",
      path: "/processes/:id\\:cancel",
      role: "operator",
      operationId: "cancelProcess",
      summary: "Cancels a process and tells its service",
      body: object({ reason }, ["reason"]),
      answer: anyObject,
      problems: ["process-not-found", "process-terminal", "precondition-failed"],
      audit: ({ params, body }) => ({ action: "process.cancel", target: params["id"]!, reason: body.reason }),
      async run(call) {
        await readSeen(deps, call);
        const by = { actor: call.actor.name, reason: call.body.reason };
        const done = await cancelProcess({ processes, tellCancelled }, refOf(deps, call.params["id"]!), by);
        switch (done.kind) {
          case "cancelled":
            return changed(done.record);
          case "ended":
            throw new Problem("process-terminal", { extensions: { process: detailView(done.record) } });
          case "gone":
          case "not-found":
            throw new Problem("process-not-found");
        }
      },
    }),
    route<unknown, Reasoned & { cancelRunning: boolean }>({
      method: "POST",
      path: "/processes/:id\\:rerun",
      role: "operator",
      operationId: "rerunProcess",
      summary: "Runs the request of a process again as a new process",
      body: object({ reason, cancelRunning: { type: "boolean", default: false } }, ["reason"]),
      answer: anyObject,
      problems: ["process-not-found", "process-running", "precondition-failed"],
      audit: ({ params, body }) => ({ action: "process.rerun", target: params["id"]!, reason: body.reason }),
      async run(call) {
        await readSeen(deps, call);
        const { cancelRunning, reason: why } = call.body;
        const done = await rerunProcess({ processes, tellCancelled }, refOf(deps, call.params["id"]!), {
          cancelRunning,
          by: { actor: call.actor.name, reason: why },
        });
        switch (done.kind) {
          case "started":
            return { status: 202, body: detailView(done.record) };
          case "running":
            throw new Problem("process-running", { extensions: { process: detailView(done.record) } });
          case "no-request":
            throw new Problem("process-not-found", {
              detail: "its request is not kept, so it cannot be sent again",
            });
          case "not-found":
            throw new Problem("process-not-found");
        }
      },
    }),
    route<unknown, Reasoned>({
      method: "POST",
      path: "/processes/:id\\:forget",
      role: "admin",
      operationId: "forgetProcess",
      summary: "Removes an ended process with its payloads: the same request runs anew afterwards",
      body: object({ reason }, ["reason"]),
      problems: ["process-not-found", "process-running", "precondition-failed"],
      audit: ({ params, body }) => ({ action: "process.forget", target: params["id"]!, reason: body.reason }),
      async run(call) {
        const record = await readSeen(deps, call);
        if (!isTerminal(record.status)) throw new Problem("process-running");
        if (!(await processes.store.purge(record)))
          throw new Problem("precondition-failed", { detail: "the process changed while it was removed" });
        return { status: 204 };
      },
    }),
  ];
}
