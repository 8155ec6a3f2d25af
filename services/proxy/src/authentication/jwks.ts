/**
 * An issuer's public keys (RFC 7517). Read anew every five minutes and when a token names a key that is not among them;
 * while the issuer does not answer the last ones serve, for a bounded time.
 */
import { createLocalJWKSet, errors, type CryptoKey, type JWTVerifyGetKey, type JSONWebKeySet } from "jose";
import type { JwtMethod } from "@sticky-proxy/core/principal";
import type { MethodDeps } from "./method.ts";

const refreshMs = 300_000;
/** Readings for unknown keys: anybody can name one, so they are few. */
const missesPerSpan = 3;
const missSpanMs = 30_000;
const timeoutMs = 5_000;
const maxBytes = 512 * 1024;

/** No keys that may be believed. */
export class KeysAway extends errors.JOSEError {
  static override code = "ERR_KEYS_AWAY";
  override code = "ERR_KEYS_AWAY";
}

export function createJwks(
  { jwksUrl, keysMaxAgeMs }: JwtMethod,
  { call, clock }: MethodDeps,
): JWTVerifyGetKey {
  const url = new URL(jwksUrl);
  let keys: ReturnType<typeof createLocalJWKSet> | null = null;
  let readAt = -Infinity;
  let triedAt = -Infinity;
  let misses: number[] = [];
  let running: Promise<void> | null = null;

  /** Never rejects: whether there are keys is seen afterwards. */
  async function read(): Promise<void> {
    triedAt = clock.monotonic();
    const headers = [["Accept", "application/jwk-set+json, application/json"]] as const;
    const answer = await call({ method: "GET", url, headers, body: null, timeoutMs, maxBytes });
    if (answer.kind !== "answered" || answer.status !== 200 || answer.tooLarge) return;
    try {
      keys = createLocalJWKSet(JSON.parse(Buffer.from(answer.body).toString()) as JSONWebKeySet);
      readAt = clock.monotonic();
    } catch {
      // Not a key set: the last one stands.
    }
  }
  function refresh(): Promise<void> {
    running ??= read().finally(() => (running = null));
    return running;
  }
  function mayLookForUnknown(): boolean {
    const now = clock.monotonic();
    misses = misses.filter((at) => now - at < missSpanMs);
    if (misses.length >= missesPerSpan) return false;
    misses.push(now);
    return true;
  }
  function isFresh(): boolean {
    return keys !== null && clock.monotonic() - readAt <= keysMaxAgeMs;
  }

  return async function keyOf(header, token): Promise<CryptoKey> {
    const now = clock.monotonic();
    if (!isFresh()) {
      // An issuer that is away is not asked for every token.
      if (keys === null || now - triedAt > 1_000) await refresh();
    } else if (now - readAt > refreshMs && now - triedAt > 1_000) void refresh();
    if (!isFresh()) throw new KeysAway("the issuer's keys cannot be read");
    try {
      return await keys!(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !mayLookForUnknown()) throw error;
      await refresh();
      return keys!(header, token);
    }
  };
}
