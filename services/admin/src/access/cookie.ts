/**
 * The session's cookie. `__Host-` binds it to this host and needs Path=/; below a sub-path of a shared host it is
 * `__Secure-` with that path, so that neighbours do not see it (RFC 6265bis 4.1.3).
 */
import type { IncomingMessage } from "node:http";

export interface CookieShape {
  readonly name: string;
  readonly path: string;
}

/** @param basePath "" or "/ops/sticky" */
export function cookieShape(basePath: string): CookieShape {
  return basePath === ""
    ? { name: "__Host-sticky-admin", path: "/" }
    : { name: "__Secure-sticky-admin", path: `${basePath}/` };
}

export function readCookie(request: IncomingMessage, { name }: CookieShape): string | null {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [key = "", value = ""] = part.trim().split("=", 2);
    if (key === name && /^[A-Za-z0-9_-]{43}$/.test(value)) return value;
  }
  return null;
}

/** @param maxAgeS 0 takes the cookie away */
export function writeCookie({ name, path }: CookieShape, value: string, maxAgeS: number): string {
  return `${name}=${value}; Path=${path}; Max-Age=${maxAgeS}; Secure; HttpOnly; SameSite=Strict`;
}
