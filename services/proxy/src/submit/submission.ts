/** A request that belongs to a process, and what its submission needs. */
import type { KeyObject } from "node:crypto";
import type { ProcessRecord, StoredRequest } from "@sticky-proxy/core/process";
import type { Begun, Executor, Pacing, Processes, WaitDeps } from "@sticky-proxy/engine";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { Principal, TokenKeys } from "@sticky-proxy/core/principal";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";
import type { ForwardRequest } from "@sticky-proxy/upstream";
import type { OtherKeys } from "./other-keys.ts";
import type { FormerScopes } from "./former-scopes.ts";
import type { SubmissionOptions } from "./submission-options.ts";
import type { Waiters } from "./waiters.ts";

export interface SubmitDeps {
  readonly formerScopes: FormerScopes;
  readonly processes: Processes;
  readonly executor: Executor;
  readonly waiting: WaitDeps;
  readonly waiters: Waiters;
  readonly pacing: Pacing;
  /** Asks the service to stop the work of a superseded process; never rejects. */
  readonly tellCancelled: (record: ProcessRecord) => void;
  /** Keys the scopes and credential digests; shared by all replicas. */
  readonly secret: KeyObject;
  /** Makes owner tokens. */
  readonly tokens: TokenKeys;
  readonly newId: () => string;
  /** The outbox's bound: beyond it a call is no copy but a gap, for which nothing is kept. null: nothing is mirrored here. */
  readonly outbox: {
    hasRoom(service: string, policy: MirrorPolicy, bytes: number): boolean;
    noteUncopied(service: string, route: string, reason: "lag"): void;
  } | null;
  /** Every live replica can compare the current version of the fingerprint, so it may be written. */
  readonly writesCurrentFingerprint: () => boolean;
  readonly otherKeys: OtherKeys;
  /** Told of a process whose request began another one within seconds, under another key. */
  readonly onOtherKey: (record: ProcessRecord, earlierId: string) => void;
  readonly onVerdict: (service: string, verdict: Begun["verdict"] | "bypass") => void;
  readonly onWait: (
    service: string,
    outcome: "answered" | "timeout" | "client_gone" | "draining",
    ms: number,
  ) => void;
  /** An execution failed after its client had been answered. */
  readonly onFailure: (what: string, error: unknown) => void;
  /** Aborts when the node drains: waiting clients that may get 202 are answered with it. */
  readonly draining: AbortSignal;
  /** Aborts shortly before the node cuts its connections: the other waiting clients are answered, 503. */
  readonly closing: AbortSignal;
}

export interface Submission {
  readonly service: Service;
  readonly route: Route;
  readonly principal: Principal;
  /** Authority of the request. */
  readonly host: string;
  readonly options: SubmissionOptions;
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly extra: HeaderList;
  readonly traceparent: string | null;
  readonly client: ForwardRequest["client"];
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
  readonly onInformational?: ForwardRequest["onInformational"];
  readonly seen?: ForwardRequest["seen"];
  /** Called with the process before the client waits for it. */
  readonly onBegun: (record: ProcessRecord, verdict: Begun["verdict"]) => void;
}

/** Whether the stored request may be needed later: for another attempt, a poll, a probe or a re-run. */
export function keepsRequest({ options: { rules } }: Submission): boolean {
  const { policy, retries } = rules;
  const unknown = Object.values(policy.onUnknown);
  return (
    retries.attempts > 1 ||
    unknown.includes("retry") ||
    unknown.includes("probe") ||
    policy.pollLocation !== null ||
    policy.keepRequest
  );
}

/** Whose budgets it uses up; "": nobody's. */
export function holderOf({ client }: Submission): string {
  return client?.holder ?? "";
}

/** The request as the store keeps it and the service gets it. */
export function requestOf({ head, options, body }: Submission): StoredRequest {
  return { head, key: options.key, body };
}

/** Whether the route copies its requests durably (dual-write). */
export function isMirrored(route: Route): boolean {
  return route.mirror !== null && route.mirror.mode === "dual-write";
}
