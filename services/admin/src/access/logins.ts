/** Who asks: a bearer token, a trusted header of an auth proxy, or the panel's cookie, in this order. */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import {
  includesRole,
  roleOfGroups,
  sessionState,
  sessionTtlMs,
  type Role,
  type Session,
  type Sessions,
} from "@sticky-proxy/core/operators";
import { checkToken, type TokenPorts } from "@sticky-proxy/operations";
import { asEpochMs, Problem } from "@sticky-proxy/protocol";
import type { Actor } from "../http/route.ts";
import { readCookie, type CookieShape } from "./cookie.ts";
import { csrfFault } from "./csrf.ts";
import type { LoginLimit } from "./login-limit.ts";

/** An auth proxy in front says who it is. */
export interface TrustedHeader {
  readonly user: string;
  readonly groups: string;
  /** Whether the address is the auth proxy's; it is the socket's own, which nobody can name. */
  readonly isTrusted: (address: string) => boolean;
  /** Groups per role. */
  readonly roles: Readonly<Record<Role, readonly string[]>>;
}

export interface LoginDeps extends TokenPorts {
  readonly sessions: Sessions;
  readonly limit: LoginLimit;
  readonly cookie: CookieShape;
  readonly trustedHeader: TrustedHeader | null;
}

export interface Logins {
  /** @throws Problem unauthorized, forbidden, csrf-rejected; StoreUnavailable */
  actorOf(request: IncomingMessage, address: string): Promise<Actor>;
  /** @returns the session's id for the cookie. @throws Problem unauthorized, rate-limited; StoreUnavailable */
  login(token: string, address: string): Promise<{ readonly id: string; readonly session: Session }>;
  /** Opens a session for somebody whom another system has named. @throws StoreUnavailable */
  open(actor: string, role: Role): Promise<{ readonly id: string; readonly session: Session }>;
  logout(request: IncomingMessage): Promise<void>;
}

/** @throws Problem forbidden when the actor's role is not enough */
export function requireRole(actor: Actor, role: Role): void {
  if (!includesRole(actor.role, role))
    throw new Problem("forbidden", { detail: `needs the role ${role}; ${actor.name} is ${actor.role}` });
}

export function createLogins(deps: LoginDeps): Logins {
  const { tokens, randomBytes, sessions, limit, cookie, trustedHeader } = deps;

  async function open(actor: string, role: Role, tokenId: string | null) {
    const id = Buffer.from(randomBytes(32)).toString("base64url");
    const now = await tokens.now();
    const session: Session = { actor, role, tokenId, createdAt: now, lastSeenAt: now };
    await sessions.put(keyOf(id), session, sessionTtlMs(session, now));
    return { id, session };
  }

  async function byToken(text: string, address: string) {
    const waitMs = limit.waitMs(address);
    if (waitMs > 0) throw tooManyLogins(waitMs);
    const token = await checkToken(deps, text);
    if (token !== null) return token;
    limit.failed(address);
    throw new Problem("unauthorized", { detail: "the token is unknown, expired or revoked" });
  }

  async function bySession(id: string): Promise<Session> {
    const key = keyOf(id);
    const session = await sessions.get(key);
    const now = await tokens.now();
    const state = session === null ? "ended" : sessionState(session, now);
    // A session ends with the token that opened it.
    const hasToken =
      session === null || session.tokenId === null || (await tokens.get(session.tokenId)) !== null;
    if (session === null || state === "ended" || !hasToken) {
      await sessions.remove(key);
      throw new Problem("unauthorized", { detail: "the session has ended; log in again" });
    }
    if (state === "touch")
      await sessions.put(key, { ...session, lastSeenAt: asEpochMs(now) }, sessionTtlMs(session, now));
    return session;
  }

  return {
    async actorOf(request, address) {
      const { authorization } = request.headers;
      const bearer = /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
      if (bearer !== undefined) {
        const { name, role } = await byToken(bearer, address);
        return { name, role, source: "api", address };
      }
      const named = trustedHeader === null ? null : namedBy(trustedHeader, request);
      const id = named === null ? readCookie(request, cookie) : null;
      if (named === null && id === null)
        throw new Problem("unauthorized", { headers: { "WWW-Authenticate": 'Bearer realm="admin"' } });
      if (request.method !== "GET" && request.method !== "HEAD") refuseForeign(request);
      if (named !== null) return { ...named, source: "panel", address };
      const { actor, role } = await bySession(id!);
      return { name: actor, role, source: "panel", address };
    },
    async login(text, address) {
      const { id, name, role, once } = await byToken(text, address);
      if (once && !(await tokens.remove(id)))
        throw new Problem("unauthorized", { detail: "the link was used already" });
      return open(name, role, once ? null : id);
    },
    open: (actor, role) => open(actor, role, null),
    async logout(request) {
      const id = readCookie(request, cookie);
      if (id !== null) await sessions.remove(keyOf(id));
    },
  };
}

/** Only the digest of a session's id is kept, so whoever reads Redis cannot take a session over. */
function keyOf(id: string): string {
  return createHash("sha256").update(id).digest("base64url");
}

function tooManyLogins(waitMs: number): Problem {
  return new Problem("rate-limited", {
    detail: "too many failed logins from this address",
    headers: { "Retry-After": String(Math.ceil(waitMs / 1000)) },
  });
}

/** @throws Problem forbidden when the auth proxy names somebody without a role */
function namedBy(header: TrustedHeader, request: IncomingMessage): Pick<Actor, "name" | "role"> | null {
  const name = request.headers[header.user];
  if (typeof name !== "string" || name === "" || !header.isTrusted(request.socket.remoteAddress ?? ""))
    return null;
  const given = request.headers[header.groups];
  const groups = (typeof given === "string" ? given : "").split(",").map((group) => group.trim());
  const role = roleOfGroups(groups, header.roles);
  if (role === null)
    throw new Problem("forbidden", { detail: `no role for the groups: ${groups.join(", ") || "none"}` });
  return { name, role };
}

/** @throws Problem csrf-rejected */
export function refuseForeign({ headers }: IncomingMessage): void {
  const fetchSite = headers["sec-fetch-site"];
  const fault = csrfFault({
    fetchSite: typeof fetchSite === "string" ? fetchSite : undefined,
    origin: headers.origin,
    host: headers.host,
    contentType: headers["content-type"],
  });
  if (fault !== null) throw new Problem("csrf-rejected", { detail: fault });
}
