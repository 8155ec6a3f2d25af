/** Where a process's record stands: in its scope's own place, or aside under its epoch once it is superseded. */
import { asFence, asScope, type Fence, type Scope } from "@sticky-proxy/protocol";
import { processId, type ProcessRecord } from "@sticky-proxy/core/process";

export interface Place {
  readonly partition: number;
  readonly scope: Scope;
  /** null: the scope's own place. */
  readonly epoch: Fence | null;
}

/** `epoch` of the record's place. */
export function placeEpoch(record: ProcessRecord): Fence | null {
  return record.supersededBy === null ? null : record.epoch;
}

/** The place as a member of alarms and lists: `scope`, or `scope:epoch` once superseded. */
export function memberOf({ scope, epoch }: Pick<Place, "scope" | "epoch">): string {
  return epoch === null ? scope : `${scope}:${epoch}`;
}

export function parseMember(partition: number, member: string): Place {
  const colon = member.indexOf(":");
  if (colon === -1) return { partition, scope: asScope(member), epoch: null };
  return {
    partition,
    scope: asScope(member.slice(0, colon)),
    epoch: asFence(Number(member.slice(colon + 1))),
  };
}

/** What is published about a change: "id:version:status", the status "purged" when the record has gone. */
export function noticeOf(record: ProcessRecord, version: number, status: string): string {
  return `${processId(record)}:${version}:${status}`;
}
