/** Sessions of the panel: how long they live, and what ends them. */
import type { EpochMs } from "@sticky-proxy/protocol";
import type { Role } from "./roles.ts";

/** One login. */
export interface Session {
  /** Who acts, as the audit names it. */
  readonly actor: string;
  readonly role: Role;
  /** The token that it was opened with; null: by a trusted header or OIDC. */
  readonly tokenId: string | null;
  readonly createdAt: EpochMs;
  readonly lastSeenAt: EpochMs;
}

/** Where sessions are kept, each under the SHA-256 of its id. @throws StoreUnavailable */
export interface Sessions {
  /** Replaces what stands under `key`; forgotten after `ttlMs`. */
  put(key: string, session: Session, ttlMs: number): Promise<void>;
  /** null: none. */
  get(key: string): Promise<Session | null>;
  remove(key: string): Promise<void>;
}

export const sessionIdleMs = 8 * 3_600_000;
export const sessionMaxMs = 24 * 3_600_000;
/** A session seen again within this span is not written again. */
const touchMs = 60_000;

/** What a request under the session finds: it stands, it stands and its last use is to be written, or it has ended. */
export function sessionState(session: Session, now: number): "fresh" | "touch" | "ended" {
  if (now - session.lastSeenAt > sessionIdleMs || now - session.createdAt > sessionMaxMs) return "ended";
  return now - session.lastSeenAt > touchMs ? "touch" : "fresh";
}

/** How long the store keeps it from now on, ms. */
export function sessionTtlMs(session: Session, now: number): number {
  return Math.max(1, Math.min(sessionIdleMs, session.createdAt + sessionMaxMs - now));
}
