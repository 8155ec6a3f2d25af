import { expect } from "chai";
import { apiKeyDigest, isApiKeyText, type ApiKey } from "@sticky-proxy/core/principal";
import { createApiKey, listApiKeys, revokeApiKey } from "./keys.ts";

function world() {
  const kept = new Map<string, ApiKey>();
  let drawn = 0;
  const ports = {
    store: {
      all: async () => kept,
      add: async (digest: string, key: ApiKey) => void kept.set(digest, key),
      remove: async (id: string) => {
        const found = [...kept].find(([, key]) => key.id === id);
        if (found === undefined) return null;
        kept.delete(found[0]);
        return found[1];
      },
    },
    now: () => 1000,
    random: (bytes: number) => new Uint8Array(bytes).fill((drawn += 1)),
  };
  return { kept, ports };
}

describe("API keys of clients", () => {
  it("the key is told once and kept as its digest only", async () => {
    const { kept, ports } = world();
    const { text, key } = await createApiKey(ports, {
      principal: "shop",
      scopes: ["read"],
      expiresInMs: 500,
    });
    expect(isApiKeyText(text)).to.equal(true);
    expect([...kept.keys()]).to.deep.equal([apiKeyDigest(text)]);
    expect(JSON.stringify([...kept])).not.to.include(text);
    expect(key).to.include({ principal: "shop", createdAt: 1000, expiresAt: 1500 });
  });

  it("a principal may have several, and one is revoked by its id", async () => {
    const { ports } = world();
    const wanted = { principal: "shop", scopes: ["submit"], expiresInMs: null } as const;
    const first = await createApiKey(ports, wanted);
    const second = await createApiKey(ports, wanted);
    expect((await listApiKeys(ports)).map(({ id }) => id)).to.deep.equal([first.key.id, second.key.id]);
    expect(await revokeApiKey(ports, first.key.id)).to.deep.equal(first.key);
    expect((await listApiKeys(ports)).map(({ id }) => id)).to.deep.equal([second.key.id]);
    expect(await revokeApiKey(ports, first.key.id)).to.equal(null);
  });
});
