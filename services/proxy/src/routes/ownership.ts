/**
 * Whether a caller of the process API may do what it asks for. To read by id is a capability (132 bits) unless the
 * service says `access: owner` or a proved principal began the process; to change or forget a process takes its owner.
 */
import { headerLines, type HeaderLine, type HeaderList } from "@sticky-proxy/core/http";
import { relationOf, type Relation, type TokenKeys } from "@sticky-proxy/core/principal";
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import { lowerFields, Problem } from "@sticky-proxy/protocol";
import type { Context } from "koa";
import type { Callers } from "./callers.ts";
import { linesOf } from "./route-context.ts";

export interface OwnershipDeps {
  readonly tokens: Pick<TokenKeys, "accept">;
  /** null: the service is not configured any more. */
  readonly findService: (name: string) => Service | null;
  readonly callers: Pick<Callers, "principalFor">;
}

export interface Ownership {
  relation(ctx: Context, record: ProcessRecord): Relation;
  /** @throws Problem process-not-found where only the owner may read it */
  mayRead(ctx: Context, record: ProcessRecord): void;
  /** @throws Problem forbidden for a stranger */
  mayChange(ctx: Context, record: ProcessRecord): void;
  /** Without its cookies where somebody else than the owner reads it: they are credentials of their own. */
  withoutCookies(ctx: Context, record: ProcessRecord, lines: HeaderList): HeaderLine[];
}

export function createOwnership({ tokens, findService, callers }: OwnershipDeps): Ownership {
  function relation(ctx: Context, record: ProcessRecord): Relation {
    const { principal, credential } = record;
    const caller = callers.principalFor(ctx, findService(record.service), record.route);
    const token = headerLines(linesOf(ctx), lowerFields.stickyOwner)[0] ?? null;
    return relationOf(tokens.accept, { id: processId(record), principal, credential }, caller, token);
  }
  return {
    relation,
    mayRead(ctx, record) {
      const isClosed = record.principal !== null || findService(record.service)?.access === "owner";
      if (isClosed && relation(ctx, record) === "stranger") throw new Problem("process-not-found");
    },
    mayChange(ctx, record) {
      if (relation(ctx, record) !== "stranger") return;
      throw new Problem("forbidden", {
        processId: processId(record),
        service: record.service,
        detail: "Only who began the process may change it: send its credential, or its Sticky-Owner.",
      });
    },
    withoutCookies(ctx, record, lines) {
      if (relation(ctx, record) === "owner") return [...lines];
      return lines.filter(([name]) => name.toLowerCase() !== "set-cookie");
    },
  };
}
