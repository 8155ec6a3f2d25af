/**
 * Cache invalidation by unsafe requests (RFC 9111 4.4), before their response is sent: a client that has the
 * response never finds an older one. A failed drop is retried, and its key is not served from the cache meanwhile.
 */
import { headerValue, type RequestHead, type ResponseHead } from "@sticky-proxy/core/http";
import type { Service } from "@sticky-proxy/core/registry";
import {
  invalidates,
  keysOfUri,
  originsOf,
  type EntryPoint,
  selectorOf,
  type CacheStore,
} from "@sticky-proxy/core/cache";

export interface InvalidationDeps {
  readonly store: CacheStore;
  /** scheme://authority, lower-case, under which clients reach the gateway. */
  readonly publicOrigins: readonly string[];
  /** A drop or purge that failed. */
  readonly onError: (operation: "drop" | "purge", error: unknown) => void;
}

export interface CacheInvalidation {
  /**
   * Called for every response of the service to an unsafe request; never for a replay or a secondary's response.
   * A process drops at its 202, and again before and after its result is committed. Never rejects.
   */
  afterUnsafe(service: Service, request: RequestHead, response: ResponseHead, at: EntryPoint): Promise<void>;
  /** Drops everything at and below a path, where the URI is not known completely. Never rejects. */
  dropBelow(service: Service, path: string): Promise<void>;
  /** false: a drop of this key is pending, so its stored responses may be outdated. */
  isTrusted(key: string): Promise<boolean>;
  /** Retries pending drops, because requests for their keys may reach other nodes only. Never rejects. */
  payOwed(): Promise<void>;
}

/** Largest number of keys with a pending drop; above it the whole cache is pending. */
const maxOwed = 10_000;

export function createInvalidation({ store, publicOrigins, onError }: InvalidationDeps): CacheInvalidation {
  const owed = new Set<string>();
  let owesAll = false;

  async function drop(key: string): Promise<void> {
    try {
      await store.drop(key, false);
      owed.delete(key);
    } catch (error) {
      onError("drop", error);
      if (owed.size < maxOwed) owed.add(key);
      else owesAll = true;
    }
  }

  async function purge(selector: string | null, soft: boolean): Promise<boolean> {
    if (selector === null) return true;
    const { missing } = await store.purge(selector, soft);
    if (missing.length === 0) return true;
    onError("purge", new Error(`${missing.length} partitions did not acknowledge`));
    return false;
  }

  async function payAll(): Promise<void> {
    if (await purge(selectorOf({ kind: "all" }), false)) {
      owesAll = false;
      owed.clear();
    }
  }

  async function dropBelow(service: Service, path: string): Promise<void> {
    if (!(await purge(selectorOf({ kind: "prefix", service: service.name, path }), false))) owesAll = true;
  }

  return {
    async afterUnsafe(service, request, response, at) {
      const origins = originsOf(service, publicOrigins, at);
      const { uris, groups } = invalidates(request, response, origins);
      const keys = new Set(uris.flatMap((uri) => keysOfUri(service, uri, at)));
      await Promise.all([
        ...[...keys].map(drop),
        ...othersOf(service, uris).map((path) => dropBelow(service, path)),
        ...groups.map(async (group) => {
          // RFC 9875 3: soft purge of a group. A failed one makes all keys pending: its members are unknown.
          if (!(await purge(selectorOf({ kind: "group", service: service.name, group }), true)))
            owesAll = true;
        }),
      ]);
    },
    dropBelow,
    async payOwed() {
      if (owesAll) await payAll();
      for (const key of owesAll ? [] : owed) {
        await drop(key);
        if (owed.has(key)) return; // the store is still away
      }
    },
    async isTrusted(key) {
      if (owesAll) await payAll();
      if (owesAll) return false;
      if (owed.has(key)) await drop(key);
      return !owed.has(key);
    },
  };
}

/**
 * Whether this reply to an unsafe request reports a change: true for the service's response, and for the 202 that starts a
 * process; false for a replay, a stored response and a problem of the gateway (by their fields).
 */
export function tellsOfChange({ status, headers }: ResponseHead): boolean {
  const has = (wanted: string, value: string): boolean =>
    headers.some(([name, given]) => name.toLowerCase() === wanted && given === value);
  if (has("idempotent-replayed", "true") || has("sticky-source", "store")) return false;
  if (!has("sticky-source", "gateway")) return true;
  return status === 202 && headerValue(headers, "sticky-process-id") !== null;
}

/**
 * Paths to drop whole: a principal's key tells nothing of the other principals' keys of the same URI, so what they have stored
 * is found by its path.
 */
function othersOf({ authentication }: Service, uris: readonly { readonly path: string }[]): string[] {
  return authentication === "off" ? [] : [...new Set(uris.map(({ path }) => path))];
}
