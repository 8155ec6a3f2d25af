/**
 * The rules that a process began with, as text that any replica can read: how its reports and polls are read, when it
 * is sent again, how it is copied, what its events and results are kept for. Names, never addresses or secrets: those
 * come from the file of whoever acts, and a signing key is named by a digest. Pure.
 */
import { createHash } from "node:crypto";
import type {
  CallbackAuth,
  MirrorPolicy,
  ProcessPolicy,
  RetryPolicy,
  Route,
  Service,
} from "../registry/service.ts";

export interface PinnedRules {
  readonly service: string;
  readonly route: string;
  /** null: a mirrored route whose processes exist for their copies alone. `cancelHook` is null: it is an address. */
  readonly process: ProcessPolicy | null;
  readonly retries: RetryPolicy;
  readonly mirror: MirrorPolicy | null;
  readonly honoursKey: boolean;
  readonly forwardCredential: boolean;
  readonly credential: readonly string[];
  readonly access: Service["access"];
  readonly callback: {
    readonly mode: CallbackAuth["mode"];
    /** Digests of the signing keys, by which a node knows that it lacks one. */
    readonly keys: readonly string[];
  };
}

/** A description as it is kept for all replicas. */
export interface Pin {
  /** 22 base64url characters of its text; stands in the records. */
  readonly digest: string;
  readonly text: string;
  readonly rules: PinnedRules;
  /** ms that it has to outlive its last use: the longest that one of its processes may live without anybody's look. */
  readonly keepMs: number;
}

const dayMs = 24 * 3_600_000;

/** @param keyId a digest of a signing secret that tells nothing about it, the same on every replica */
export function pinOf(service: Service, route: Route, keyId: (secret: string) => string): Pin {
  const rules: PinnedRules = {
    service: service.name,
    route: route.name,
    process: route.process === null ? null : { ...route.process, cancelHook: null },
    retries: route.retries,
    mirror: route.mirror,
    honoursKey: service.honoursKey,
    forwardCredential: route.forwardCredential,
    credential: service.credential,
    access: service.access,
    callback: { mode: service.callbackAuth.mode, keys: service.callbackAuth.secrets.map(keyId) },
  };
  const text = JSON.stringify(rules);
  const { deadlineMs = null, resultTtlMs = dayMs, tombstoneMs = dayMs } = route.process ?? {};
  const lifeMs = (deadlineMs ?? 0) + resultTtlMs + tombstoneMs + (route.mirror?.maxAgeMs ?? 0);
  return {
    digest: createHash("sha256").update(text).digest("base64url").slice(0, 22),
    text,
    rules,
    keepMs: 35 * dayMs + lifeMs,
  };
}

/** null: it is damaged, or of a version that this one cannot read. */
export function readPin(text: string): PinnedRules | null {
  try {
    const rules = JSON.parse(text) as Partial<PinnedRules>;
    return typeof rules.service === "string" &&
      typeof rules.route === "string" &&
      rules.callback !== undefined
      ? (rules as PinnedRules)
      : null;
  } catch {
    return null;
  }
}
