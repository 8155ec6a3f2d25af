/** Who may PURGE on the data plane, and how often. */
import { createHash, timingSafeEqual } from "node:crypto";
import { addressSet } from "@sticky-proxy/core/http";

export interface PurgeToken {
  readonly token: string;
  /** Services whose pages it may drop; empty: every one, and tags of all of them. */
  readonly services: readonly string[];
  /** CIDR blocks of the clients that may use it; empty: every one. */
  readonly peers: readonly string[];
}

export interface PurgeAccess {
  /** null: no token that this client may use. `isForAll`: not limited to some services. */
  grant(
    authorization: string | null,
    client: string,
  ): { readonly isForAll: boolean; mayPurge(service: string): boolean } | null;
  /** Takes one purge, or one refusal, of this client; seconds to wait when it has had too many, else null. */
  take(client: string, kind: "purge" | "refusal"): number | null;
}

export interface PurgeAccessOptions {
  readonly tokens: readonly PurgeToken[];
  /** Of one client; twice as many at once. */
  readonly perSecond: number;
  /** Monotonic ms. */
  readonly monotonic: () => number;
}

const refusals = { perSecond: 0.2, burst: 10 };
const maxRemembered = 10_000;

export function createPurgeAccess({ tokens, perSecond, monotonic }: PurgeAccessOptions): PurgeAccess {
  const known = tokens.map(({ token, services, peers }) => ({
    digest: digestOf(token),
    services,
    isPeer: peers.length === 0 ? () => true : addressSet(peers),
  }));
  const buckets = new Map<string, { tokens: number; at: number }>();
  const rates = { purge: { perSecond, burst: 2 * perSecond }, refusal: refusals };
  return {
    grant(authorization, client) {
      const given = digestOf(/^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "");
      // All are compared, so that the duration tells neither which one was meant nor how much of it was right.
      const matching = known.filter(({ digest }) => timingSafeEqual(digest, given));
      const found = matching.find(({ isPeer }) => isPeer(client));
      if (found === undefined) return null;
      const { services } = found;
      return {
        isForAll: services.length === 0,
        mayPurge: (service) => services.length === 0 || services.includes(service),
      };
    },
    take(client, kind) {
      const rate = rates[kind];
      const key = `${kind} ${client}`;
      const now = monotonic();
      const bucket = buckets.get(key) ?? { tokens: rate.burst, at: now };
      const tokens = Math.min(rate.burst, bucket.tokens + ((now - bucket.at) / 1000) * rate.perSecond);
      buckets.delete(key); // to the end of the order, which is the order of forgetting
      buckets.set(key, { tokens: Math.max(0, tokens - 1), at: now });
      if (buckets.size > maxRemembered) buckets.delete(buckets.keys().next().value!);
      return tokens >= 1 ? null : Math.ceil((1 - tokens) / rate.perSecond);
    },
  };
}

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
