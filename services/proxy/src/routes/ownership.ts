/**
 * Whether a caller of the process API may do what it asks for. To read by id is a capability (132 bits) unless the
 * service says `access: owner`; to change or forget a process takes its owner.
 */
import type { KeyObject } from "node:crypto";
import { headerLines, type HeaderLine, type HeaderList } from "@sticky-proxy/core/http";
import {
  credentialDigest,
  credentialValues,
  relationOf,
  type Relation,
} from "@sticky-proxy/core/idempotency";
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import { lowerFields, Problem } from "@sticky-proxy/protocol";

export interface OwnershipDeps {
  readonly secret: KeyObject;
  /** null: the service is not configured any more. */
  readonly findService: (name: string) => Service | null;
}

export interface Ownership {
  relation(headers: HeaderList, record: ProcessRecord): Relation;
  /** @throws Problem process-not-found where only the owner may read it */
  mayRead(headers: HeaderList, record: ProcessRecord): void;
  /** @throws Problem forbidden for a stranger */
  mayChange(headers: HeaderList, record: ProcessRecord): void;
  /** Without its cookies where somebody else than the owner reads it: they are credentials of their own. */
  withoutCookies(headers: HeaderList, record: ProcessRecord, lines: HeaderList): HeaderLine[];
}

/** What a service's credential is where its configuration is gone. */
const usualCredential = ["authorization", "cookie"];

export function createOwnership({ secret, findService }: OwnershipDeps): Ownership {
  function relation(headers: HeaderList, record: ProcessRecord): Relation {
    const sources = findService(record.service)?.credential ?? usualCredential;
    return relationOf(
      secret,
      { id: processId(record), credential: record.credential },
      {
        credential: credentialDigest(secret, credentialValues(headers, sources)),
        token: headerLines(headers, lowerFields.stickyOwner)[0] ?? null,
      },
    );
  }
  return {
    relation,
    mayRead(headers, record) {
      const isClosed = findService(record.service)?.access === "owner";
      if (isClosed && relation(headers, record) === "stranger") throw new Problem("process-not-found");
    },
    mayChange(headers, record) {
      if (relation(headers, record) !== "stranger") return;
      throw new Problem("forbidden", {
        processId: processId(record),
        service: record.service,
        detail: "Only who began the process may change it: send its credential, or its Sticky-Owner.",
      });
    },
    withoutCookies(headers, record, lines) {
      if (relation(headers, record) === "owner") return [...lines];
      return lines.filter(([name]) => name.toLowerCase() !== "set-cookie");
    },
  };
}
