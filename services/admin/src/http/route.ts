/**
 * A route of the admin API as a value: who may use it, what it takes, what it does. The router, the checks, the audit
 * and the OpenAPI document are all made from these.
 */
import type { Role } from "@sticky-proxy/core/operators";
import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";

/** JSON Schema 2020-12, as OpenAPI 3.1 takes it. */
export type Schema = { readonly [keyword: string]: unknown };

/** Who asks. */
export interface Actor {
  readonly name: string;
  readonly role: Role;
  /** How the request came. */
  readonly source: "panel" | "api";
  readonly address: string;
}

export interface Call<Query, Body> {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly body: Body;
  /** Absent on routes without a role. */
  readonly actor: Actor;
  /** The version that the caller saw, from If-Match: "v7"; null: it named none. */
  readonly version: number | null;
  readonly requestId: string;
  readonly request: IncomingMessage;
}

export type Answer =
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly status: number;
      readonly stream: Readable;
      readonly headers: Readonly<Record<string, string>>;
    };

/** What the audit says of a call, before it is done. */
export interface AuditedAct {
  readonly action: string;
  readonly target: string;
  readonly reason: string;
}

export interface Route<Query = unknown, Body = unknown> {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below /api/v1; `:id` is a parameter and `\\:cancel` a verb. */
  readonly path: string;
  /** What the caller must be; null: nobody in particular (the way in). */
  readonly role: Role | null;
  readonly operationId: string;
  readonly summary: string;
  /** Members are strings, integers or booleans. */
  readonly query?: Schema;
  readonly body?: Schema;
  /** Of the success; absent: it has no body or is a stream. */
  readonly answer?: Schema;
  /** Problems that may be answered besides those of every route. */
  readonly problems?: readonly string[];
  /** Written to the audit before the call runs and after it; absent: it changes nothing. */
  readonly audit?: (call: Call<Query, Body>) => AuditedAct;
  readonly run: (call: Call<Query, Body>) => Promise<Answer>;
}

/** Binds the types of query and body to the schemas that check them: the one place that believes the schemas. */
export function route<Query, Body = undefined>(definition: Route<Query, Body>): Route {
  return definition as unknown as Route;
}
