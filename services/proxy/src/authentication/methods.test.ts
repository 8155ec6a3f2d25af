import { expect } from "chai";
import {
  apiKeyDigest,
  apiKeyText,
  grantScopes,
  type ApiKey,
  type ForwardAuthMethod,
} from "@sticky-proxy/core/principal";
import type { HeaderList } from "@sticky-proxy/core/http";
import { apiKeyMethod, createApiKeys } from "./api-keys.ts";
import { createAuthenticator, grantOf } from "./authenticator.ts";
import { forwardAuthMethod } from "./forward-auth.ts";
import { asking, methodWorld } from "./testing.ts";
import { trustedHeaderMethod } from "./trusted-header.ts";

describe("an API key", () => {
  function world() {
    const { clock } = methodWorld();
    const kept = new Map<string, ApiKey>();
    let [version, reads, isAway] = [0, 0, false];
    const keys = createApiKeys(
      {
        async version() {
          if (isAway) throw new Error("away");
          return version;
        },
        async all() {
          reads += 1;
          return new Map(kept);
        },
      },
      clock,
    );
    const prove = apiKeyMethod({ type: "api-key", fields: ["authorization", "x-api-key"] }, keys, clock);
    return {
      clock,
      keys,
      get reads() {
        return reads;
      },
      isAway: (now: boolean) => (isAway = now),
      prove: (headers: HeaderList) => prove(asking(headers)),
      create(fill: number, expiresAt: number | null = null): string {
        const key = apiKeyText(new Uint8Array(32).fill(fill));
        kept.set(apiKeyDigest(key), {
          id: `k${fill}`,
          principal: `p${fill}`,
          scopes: ["read"],
          createdAt: 0,
          expiresAt,
        });
        version += 1;
        return key;
      },
      revoke(key: string): void {
        kept.delete(apiKeyDigest(key));
        version += 1;
      },
    };
  }

  it("proves its principal from each of its fields, at once after it was made, and is read from memory then", async () => {
    const w = world();
    const key = w.create(1);
    const proof = await w.prove([["Authorization", `Bearer ${key}`]]);
    expect(proof).to.deep.equal({
      kind: "proved",
      grant: { subject: "p1", scopes: ["read"], fields: ["authorization"] },
    });
    expect(await w.prove([["X-Api-Key", key]])).to.have.nested.property("grant.fields[0]", "x-api-key");
    expect(w.reads).to.equal(1);
  });

  it("that is unknown, revoked or expired is refused", async () => {
    const w = world();
    const key = w.create(1);
    const short = w.create(2, w.clock.now() + 1000);
    const at = async (text: string) => (await w.prove([["x-api-key", text]])).kind;
    expect(await at(apiKeyText(new Uint8Array(32)))).to.equal("refused");
    expect([await at(key), await at(short)]).to.deep.equal(["proved", "proved"]);
    w.clock.advance(1000);
    expect(await at(short)).to.equal("refused");
    w.revoke(key);
    await w.keys.refresh();
    expect(await at(key)).to.equal("refused");
  });

  it("is not what another credential in its fields is: that may be the service's", async () => {
    const w = world();
    for (const other of ["sk_test_4eC39HqLyjWDarjtT1zdp7dc", "sticky_short", "a.b.c"])
      expect((await w.prove([["Authorization", `Bearer ${other}`]])).kind, other).to.equal("absent");
  });

  it("serves from memory while the store is away, not for ever; an unknown one cannot be told then", async () => {
    const w = world();
    const key = w.create(1);
    await w.prove([["x-api-key", key]]);
    w.isAway(true);
    w.clock.advance(300_000);
    expect((await w.prove([["x-api-key", key]])).kind).to.equal("proved");
    expect((await w.prove([["x-api-key", apiKeyText(new Uint8Array(32))]])).kind).to.equal("unavailable");
    w.clock.advance(1);
    expect((await w.prove([["x-api-key", key]])).kind).to.equal("unavailable");
  });
});

describe("a trusted field", () => {
  const prove = trustedHeaderMethod({
    type: "trusted-header",
    field: "x-user",
    scopesField: "x-scopes",
    peers: ["10.0.0.0/8"],
  });
  it("proves a principal when a named peer sends it once", () => {
    const headers = [
      ["X-User", "alice"],
      ["X-Scopes", "read,cancel"],
    ] as const;
    expect(prove(asking(headers, "10.1.2.3"))).to.deep.equal({
      kind: "proved",
      grant: { subject: "alice", scopes: ["read", "cancel"], fields: ["x-user"] },
    });
    expect(prove(asking([...headers, ["x-user", "root"]], "10.1.2.3"))).to.have.property("kind", "refused");
  });
  it("proves nothing from anybody else, whatever is said about where it came from", () => {
    const headers = [
      ["X-User", "alice"],
      ["X-Forwarded-For", "10.1.2.3"],
    ] as const;
    expect(prove(asking(headers, "192.0.2.1"))).to.deep.equal({ kind: "absent" });
  });
});

describe("forward-auth", () => {
  const policy: ForwardAuthMethod = {
    type: "forward-auth",
    url: "http://auth.test/check",
    requestFields: ["authorization", "cookie"],
    principalField: "x-who",
    scopesField: null,
    cacheMs: 5000,
    timeoutMs: 100,
  };
  const token = [
    ["Authorization", "Bearer t"],
    ["X-Secret", "s"],
  ] as const;

  it("shows the named fields and what the request is, and takes the principal from a yes", async () => {
    const w = methodWorld();
    w.answerWith(204, null, [["X-Who", "alice"]]);
    const proof = await forwardAuthMethod(policy, w)(asking(token));
    expect(proof).to.deep.equal({
      kind: "proved",
      grant: { subject: "alice", scopes: grantScopes, fields: ["authorization"] },
    });
    expect(w.asked[0]!.headers).to.deep.equal([
      ["authorization", "Bearer t"],
      ["x-forwarded-method", "GET"],
      ["x-forwarded-uri", "/x?a=1"],
      ["x-forwarded-host", "gateway.test"],
      ["x-forwarded-proto", "http"],
      ["x-forwarded-for", "192.0.2.1"],
    ]);
  });

  it("believes a yes for a moment and for the very same question only", async () => {
    const w = methodWorld();
    const prove = forwardAuthMethod(policy, w);
    w.answerWith(200, null, [["x-who", "alice"]]);
    await prove(asking(token));
    await prove(asking(token));
    expect(w.asked).to.have.length(1);
    await prove(asking([["Authorization", "Bearer u"]]));
    await prove({ ...asking(token), target: "/admin" });
    expect(w.asked).to.have.length(3);
    w.answerWith(401);
    w.clock.advance(5000);
    expect((await prove(asking(token))).kind).to.equal("refused");
  });

  it("keeps no refusal, and lets nobody in without an answer or without a name", async () => {
    const w = methodWorld();
    const prove = forwardAuthMethod(policy, w);
    for (const [status, kind] of [
      [403, "refused"],
      [500, "unavailable"],
      [302, "unavailable"],
      [null, "unavailable"],
      [200, "unavailable"],
    ] as const) {
      w.answerWith(status);
      expect((await prove(asking(token))).kind, String(status)).to.equal(kind);
    }
    expect(w.asked).to.have.length(5);
    expect((await prove(asking([["X-Secret", "s"]]))).kind).to.equal("absent");
  });
});

describe("several methods", () => {
  it("are asked in their order, and a refusal of one gives way to the proof of another", async () => {
    const w = methodWorld();
    const trusted = {
      type: "trusted-header",
      field: "x-user",
      scopesField: null,
      peers: ["192.0.2.0/24"],
    } as const;
    const authenticator = createAuthenticator(
      {
        methods: [{ type: "api-key", fields: ["x-api-key"] }, trusted],
        principalField: null,
        identityFields: [],
      },
      { ...w, apiKeys: { find: async () => null } },
    )!;
    const bad = ["X-Api-Key", apiKeyText(new Uint8Array(32))] as const;
    expect((await authenticator.prove(asking([bad]))).kind).to.equal("refused");
    expect((await authenticator.prove(asking([bad, ["X-User", "alice"]]))).kind).to.equal("proved");
    expect((await authenticator.prove(asking([]))).kind).to.equal("absent");
  });

  it("where a proof is optional nobody is let in with a credential that does not hold", () => {
    expect(grantOf({ kind: "absent" }, "optional", null)).to.equal(null);
    expect(() => grantOf({ kind: "refused", why: "" }, "optional", null))
      .to.throw()
      .with.property("slug", "unauthorized");
    expect(() => grantOf({ kind: "unavailable", why: "" }, "optional", null))
      .to.throw()
      .with.property("slug", "authentication-unavailable");
    expect(grantOf({ kind: "refused", why: "" }, "off", null)).to.equal(null);
  });
});
