/** `--origin` and its companions: one service for every path, written as the file would have said it. */
import type { ConfigError } from "./relations.ts";
import type { Settings } from "./sources.ts";

const reads = ["GET", "HEAD"];

export interface QuickForm {
  /** Entries of `services`; null: no quick form was asked for. */
  readonly services: Readonly<Record<string, unknown>> | null;
  readonly errors: readonly ConfigError[];
}

/**
 * Services named `origin` (match "/") and, with a mirror, `mirror` (no client reaches it).
 * The service gets the client's Host, and upgrades. Routes: what is cached is GET and HEAD only; writes are mirrored durably, reads are compared.
 */
export function quickForm({ given }: Settings): QuickForm {
  const errors: ConfigError[] = [];
  const origin = given.get("origin");
  const isCached = given.get("cache") === true;
  const isIdempotent = given.get("idempotent") === true;
  const mirror = given.get("mirror");
  const ttl = given.get("ttl");
  const profile = given.get("cache-profile");
  if (origin === undefined) {
    for (const [flag, isGiven] of [
      ["cache", isCached],
      ["idempotent", isIdempotent],
      ["mirror", mirror !== undefined],
    ] as const)
      if (isGiven) errors.push({ path: `--${flag}`, message: "needs --origin" });
  }
  if (!isCached) {
    if (ttl !== undefined) errors.push({ path: "--ttl", message: "needs --cache" });
    if (profile !== undefined) errors.push({ path: "--cache-profile", message: "needs --cache" });
  }
  if (origin === undefined) return { services: null, errors };

  const cache = isCached
    ? {
        ...(typeof ttl === "number" ? { defaultTtlMs: ttl * 1000 } : {}),
        ...(profile === undefined ? {} : { profile }),
      }
    : null;
  const process = isIdempotent ? { identity: "key", key: "optional" } : null;
  // One key for all: what one request creates, the next may change under a path of its own.
  const mirrored = { to: "mirror", orderKey: { path: "/" } };
  const routes: unknown[] = [];
  // A WebSocket is neither cached, keyed nor copied.
  const upgrades = { match: { methods: ["GET"], headers: { upgrade: "websocket" } }, allowUpgrade: true };
  // A cache alone sees every method: an unsafe one drops what it changed (RFC 9111 4.4).
  const cacheAlone = cache !== null && process === null && mirror === undefined;
  if (cache !== null || mirror !== undefined)
    routes.push({
      match: { methods: cacheAlone ? [] : reads },
      ...(cache !== null ? { cache } : process !== null ? { process } : {}),
      ...(mirror === undefined ? {} : { mirror: { ...mirrored, mode: "dual-read" } }),
    });
  if (process !== null || mirror !== undefined)
    routes.push({
      ...(process === null ? {} : { process }),
      ...(mirror === undefined ? {} : { mirror: { ...mirrored, mode: "dual-write" } }),
    });
  return {
    services: {
      // The client's Host: applications compare it with Origin (CSRF) and make addresses of it.
      origin: {
        instances: [origin],
        match: { path: "/" },
        preserveHost: true,
        routes: [upgrades, ...routes],
      },
      ...(mirror === undefined ? {} : { mirror: { instances: [mirror], match: "none" } }),
    },
    errors,
  };
}
