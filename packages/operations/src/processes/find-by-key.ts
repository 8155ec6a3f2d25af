/** The process of a client's idempotency key, for operators: they see neither the client's credential nor its Host. */
import type { KeyObject } from "node:crypto";
import { partitionOf, scopeOf } from "@sticky-proxy/core/idempotency";
import { principalOf, provedDigest, usualCredential } from "@sticky-proxy/core/principal";
import type { ProcessRecord } from "@sticky-proxy/core/process";
import type { Processes } from "@sticky-proxy/engine";
import { identityHost, type Service } from "@sticky-proxy/core/registry";
import type { Scope } from "@sticky-proxy/protocol";

export interface KeyQuery {
  readonly service: string;
  readonly idempotencyKey: string;
  /** Subject that an authentication has proved; absent: nobody, and whoever is in `known`. */
  readonly principal?: string;
  /** As the client sent it; absent: every name that the configuration gives the service. */
  readonly host?: string;
}

/** Names under which the key may stand, since the operator was told the key alone. */
export interface KnownNames {
  /** null: not configured here; its processes may still be kept. */
  readonly service: Pick<Service, "hostAliases" | "match" | "preserveHost"> | null;
  /** Subjects. */
  readonly principals: readonly string[];
  /** Authorities under which clients reach the gateway. */
  readonly hosts: readonly string[];
}

/** Places that are looked at for one question. */
const maxPlaces = 500;

/** The places of a key, the likely ones first; none twice. */
export function placesOfKey(secret: KeyObject, query: KeyQuery, known: KnownNames): readonly Scope[] {
  const { service, idempotencyKey: key } = query;
  const subjects = query.principal === undefined ? [null, ...known.principals] : [query.principal];
  const scopes = subjects.flatMap((subject) => {
    const principal = provedDigest(principalOf(secret, [], usualCredential, subject));
    return hostsOf(query, known).map((host) =>
      scopeOf(secret, { principal, service, host, identity: { kind: "key", key } }),
    );
  });
  return [...new Set(scopes)].slice(0, maxPlaces);
}

function hostsOf({ host }: KeyQuery, { service, hosts }: KnownNames): readonly string[] {
  const told = service ?? unknownService;
  const names = host === undefined ? [...hosts, ...told.hostAliases.values()] : [host];
  // Scopes had no host before the service was told it.
  return [...new Set([...names.map((name) => identityHost(told, name)), ""])];
}

/** It may have been told the host. */
const unknownService = {
  hostAliases: new Map<string, string>(),
  match: { host: null, path: "/" },
  preserveHost: true,
} as const;

/** The first that is kept. null: none. @throws StoreUnavailable */
export async function findByKey(
  { read, store }: Pick<Processes, "read" | "store">,
  scopes: readonly Scope[],
): Promise<ProcessRecord | null> {
  for (const scope of scopes) {
    const ref = { partition: partitionOf(scope, store.partitions), scope, epoch: null };
    const { record } = await read(ref, { withResult: false });
    if (record !== null) return record;
  }
  return null;
}
