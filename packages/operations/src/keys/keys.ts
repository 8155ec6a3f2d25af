/** API keys of clients: create, list, revoke. */
import { apiKeyDigest, apiKeyText, type ApiKey, type GrantScope } from "@sticky-proxy/core/principal";
import type { KeyPorts } from "./ports.ts";

export interface KeyWanted {
  readonly principal: string;
  readonly scopes: readonly GrantScope[];
  /** From now; null: it does not expire. */
  readonly expiresInMs: number | null;
}

/** The key's text is told here and never again. A principal may have several: one to use, one to change to. */
export async function createApiKey(
  { store, now, random }: KeyPorts,
  { principal, scopes, expiresInMs }: KeyWanted,
): Promise<{ readonly text: string; readonly key: ApiKey }> {
  const text = apiKeyText(random(32));
  const createdAt = now();
  const id = `key_${Buffer.from(random(9)).toString("base64url")}`;
  const key = {
    id,
    principal,
    scopes,
    createdAt,
    expiresAt: expiresInMs === null ? null : createdAt + expiresInMs,
  };
  await store.add(apiKeyDigest(text), key);
  return { text, key };
}

/** Oldest first. */
export async function listApiKeys({ store }: Pick<KeyPorts, "store">): Promise<readonly ApiKey[]> {
  return [...(await store.all()).values()].toSorted((a, b) => a.createdAt - b.createdAt);
}

/** null: there is no key of that id. */
export function revokeApiKey({ store }: Pick<KeyPorts, "store">, id: string): Promise<ApiKey | null> {
  return store.remove(id);
}
