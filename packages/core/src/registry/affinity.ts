/**
 * Instances that keep something of a client's in memory (sessions of socket.io, of MCP): requests with the same value meet
 * the same one, on every replica alike and without anything stored. Pure.
 */
import type { HeaderList } from "../http/message.ts";
import { credentialValues } from "../principal/credential.ts";
import type { Affinity, Instance } from "./service.ts";

/** What the choice of an instance hangs on; null: nothing, or this request has none of it. @param address null: the request is the gateway's own */
export function affinityValue(
  affinity: Affinity | null,
  headers: HeaderList,
  address: string | null,
): string | null {
  if (affinity === null) return null;
  if (affinity === "address") return address;
  const source = "cookie" in affinity ? `cookie.${affinity.cookie}` : affinity.field.toLowerCase();
  return credentialValues(headers, { credential: [source], ignoredCookies: [] })[0] ?? null;
}

/**
 * Rendezvous hashing with weights: each instance draws a number from its name and the value, and the best draw wins. When
 * one leaves, only its own clients move; when it comes back, they return.
 * @returns null: no candidates
 */
export function instanceFor<T extends { readonly instance: Instance }>(
  candidates: readonly T[],
  value: string,
): T | null {
  let best: T | null = null;
  let bestScore = -Infinity;
  for (const candidate of candidates) {
    const { name, weight } = candidate.instance;
    // The configured weight: what slow start leaves of it would move clients to and fro.
    const score = -weight / Math.log(draw(`${name}\n${value}`));
    if (score <= bestScore) continue;
    best = candidate;
    bestScore = score;
  }
  return best;
}

/** In (0, 1), the same for the same text everywhere: FNV-1a, then the last mixing of MurmurHash3, which spreads near texts. */
function draw(text: string): number {
  let hash = 0x81_1c_9d_c5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01_00_01_93);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85_eb_ca_6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2_b2_ae_35);
  hash ^= hash >>> 16;
  return ((hash >>> 0) + 0.5) / 2 ** 32;
}
