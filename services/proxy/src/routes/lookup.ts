import type { KeyObject } from "node:crypto";
import { partitionOf, scopeOf } from "@sticky-proxy/core/idempotency";
import { viewOf, type ProcessRecord } from "@sticky-proxy/core/process";
import { provedDigest } from "@sticky-proxy/core/principal";
import { identityHost, type Service } from "@sticky-proxy/core/registry";
import type { Processes } from "@sticky-proxy/engine";
import { parseJsonRequest, Problem, readIdempotencyKey } from "@sticky-proxy/protocol";
import type { Json } from "@sticky-proxy/protocol/json";
import type { Context } from "koa";
import { jsonBody, type Reply } from "../reply.ts";
import type { Callers } from "./callers.ts";
import type { FormerScopes } from "../submit/former-scopes.ts";
import type { ProxyState } from "../state.ts";
import type { Ownership } from "./ownership.ts";
import { linesOf } from "./route-context.ts";
import { isPast, statusReply } from "./status-reply.ts";

export interface LookupDeps {
  readonly processes: Processes;
  readonly secret: KeyObject;
  readonly findService: (name: string) => Service | null;
  readonly callers: Callers;
  readonly formerScopes: FormerScopes;
  readonly readBody: (ctx: Context, maxBytes: number) => Promise<Uint8Array>;
  readonly write: (ctx: Context, reply: Reply) => void;
}

/**
 * `POST /processes:lookup`: keys stay out of access logs. Keys can be guessed, so only the owner finds its process; of one
 * that was begun without any credential the state is told, never its id.
 */
export function lookupRoute(deps: LookupDeps, ownership: Ownership) {
  return async function lookup(ctx: Context): Promise<void> {
    deps.callers.demand(ctx, "read");
    const body = parseJsonRequest({ headers: linesOf(ctx), body: await deps.readBody(ctx, 4096) });
    const service = textMember(body["service"], "service");
    const key = readIdempotencyKey([textMember(body["idempotencyKey"], "idempotencyKey")], []);
    const known = deps.findService(service);
    if (key === null || known === null) throw new Problem("process-not-found");
    const record = await findByKey(deps, ctx, known, key);
    if (record === null || isPast(record, deps.processes.now())) throw new Problem("process-not-found");
    switch (ownership.relation(ctx, record)) {
      case "owner":
        return deps.write(ctx, statusReply(record, [], null));
      case "anonymous":
        return deps.write(ctx, stateReply(record));
      case "stranger":
        throw new Problem("process-not-found");
    }
  };
}

/** As the same key sent to the service at this host would find it; also under the scopes of before. */
async function findByKey(
  { callers, processes, secret, formerScopes }: LookupDeps,
  ctx: Context,
  service: Service,
  key: string,
): Promise<ProcessRecord | null> {
  const own = provedDigest(callers.principalFor(ctx, service));
  const host = identityHost(service, (ctx.state as ProxyState).client.host);
  const principals = own !== "" && formerScopes.mayHold(service.name, "principal") ? [own, ""] : [own];
  const hosts = host !== "" && formerScopes.mayHold(service.name, "host") ? [host, ""] : [host];
  for (const principal of principals)
    for (const at of hosts) {
      const identity = { kind: "key", key } as const;
      const scope = scopeOf(secret, { principal, service: service.name, host: at, identity });
      const partition = partitionOf(scope, processes.store.partitions);
      const { record } = await processes.read({ partition, scope, epoch: null }, { withResult: false });
      if (record !== null) return record;
    }
  return null;
}

/** What may be told to whoever knows the key. */
function stateReply(record: ProcessRecord): Reply {
  const { service, status, phase, done } = viewOf(record, "");
  return {
    status: 200,
    headers: [
      ["Content-Type", "application/json"],
      ["Cache-Control", "no-store"],
    ],
    body: jsonBody({ service, status, phase, done }),
  };
}

function textMember(value: Json | undefined, name: string): string {
  if (typeof value !== "string" || value === "") {
    throw new Problem("validation-failed", {
      detail: `/${name} must be a string.`,
      extensions: { errors: [{ pointer: `/${name}`, message: "must be a string" }] },
    });
  }
  return value;
}
