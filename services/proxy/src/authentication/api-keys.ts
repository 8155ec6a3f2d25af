/**
 * API keys, from a copy of the store's in this node's memory: a request with a key costs no trip. The copy is looked after
 * once a second, so a key that is revoked ends within a second; a key that is not in it is looked for at once.
 */
import {
  apiKeyDigest,
  bearerOf,
  isApiKeyText,
  singleLine,
  type ApiKey,
  type ApiKeyMethod,
  type Proof,
} from "@sticky-proxy/core/principal";
import type { ApiKeyStore } from "@sticky-proxy/store";
import type { Asking, MethodDeps, ProvingMethod } from "./method.ts";

/** The copy serves for so long without a word from the store; then no key holds. */
const maxAgeMs = 300_000;

export interface ApiKeys {
  /** Reads what has changed. @throws StoreUnavailable */
  refresh(): Promise<void>;
  /** null: there is no such key. @throws Error: the store has not said so for too long */
  find(digest: string): Promise<ApiKey | null>;
}

export function createApiKeys(
  store: Pick<ApiKeyStore, "version" | "all">,
  clock: MethodDeps["clock"],
): ApiKeys {
  let known: ReadonlyMap<string, ApiKey> = new Map();
  let version = -1;
  let readAt = -Infinity;
  let running: Promise<void> | null = null;

  async function read(): Promise<void> {
    const current = await store.version();
    if (current !== version) {
      known = await store.all();
      version = current;
    }
    readAt = clock.monotonic();
  }
  /** One reading at a time, however many requests want one. */
  function refresh(): Promise<void> {
    running ??= read().finally(() => (running = null));
    return running;
  }
  return {
    refresh,
    async find(digest) {
      const found = known.get(digest);
      if (found !== undefined && clock.monotonic() - readAt <= maxAgeMs) return found;
      await running?.catch(() => undefined); // it may have begun before the key was made
      await refresh();
      return known.get(digest) ?? null;
    },
  };
}

export function apiKeyMethod(
  { fields }: ApiKeyMethod,
  keys: Pick<ApiKeys, "find">,
  clock: MethodDeps["clock"],
): ProvingMethod {
  return async function prove({ headers }): Promise<Proof> {
    const presented = presentedKey(headers, fields);
    if (presented === null) return { kind: "absent" };
    try {
      const key = await keys.find(apiKeyDigest(presented.text));
      if (key === null) return { kind: "refused", why: "unknown API key" };
      if (key.expiresAt !== null && key.expiresAt <= clock.now())
        return { kind: "refused", why: `API key ${key.id} has expired` };
      const grant = { subject: key.principal, scopes: key.scopes, fields: [presented.field] };
      return { kind: "proved", grant };
    } catch {
      return { kind: "unavailable", why: "the store of API keys does not answer" };
    }
  };
}

function presentedKey(
  headers: Asking["headers"],
  fields: readonly string[],
): { readonly text: string; readonly field: string } | null {
  for (const field of fields) {
    const text = field === "authorization" ? bearerOf(headers) : singleLine(headers, field);
    if (text !== null && isApiKeyText(text)) return { text, field };
  }
  return null;
}
