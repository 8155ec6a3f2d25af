import { expect } from "chai";
import { createHmac } from "node:crypto";
import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTPayload,
} from "jose";
import type { JwtMethod } from "@sticky-proxy/core/principal";
import { createJwks } from "./jwks.ts";
import { jwtMethod } from "./jwt.ts";
import { asking, methodWorld } from "./testing.ts";

const policy: JwtMethod = {
  type: "jwt",
  jwksUrl: "https://issuer.test/keys",
  issuer: "https://issuer.test",
  audience: ["bank"],
  algorithms: ["RS256", "ES256"],
  principalClaim: "sub",
  scopesClaim: null,
  clockSkewMs: 60_000,
  keysMaxAgeMs: 3_600_000,
};

const rsa = await generateKeyPair("RS256");
const next = await generateKeyPair("RS256");
const jwkOf = async (pair: typeof rsa, kid: string): Promise<JWK> => ({
  ...(await exportJWK(pair.publicKey)),
  kid,
  alg: "RS256",
  use: "sig",
});
const jwks = { keys: [await jwkOf(rsa, "k1")] };

function world(over: Partial<JwtMethod> = {}) {
  const w = methodWorld();
  w.answerWith(200, jwks);
  const merged = { ...policy, ...over };
  const prove = jwtMethod(merged, createJwks(merged, w), w.clock);
  const seconds = (): number => Math.floor(w.clock.now() / 1000);
  return {
    ...w,
    prove: (token: string) => prove(asking([["Authorization", `Bearer ${token}`]])),
    async sign(
      claims: JWTPayload = {},
      header: { alg?: string; kid?: string } = {},
      key: CryptoKey | Uint8Array = rsa.privateKey,
    ): Promise<string> {
      return new SignJWT({
        sub: "alice",
        iss: policy.issuer,
        aud: "bank",
        exp: seconds() + 300,
        ...claims,
      })
        .setProtectedHeader({ alg: "RS256", kid: "k1", ...header })
        .sign(key);
    },
    seconds,
  };
}

const text = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

describe("a JSON Web Token", () => {
  it("that holds proves its subject, with every scope or those of the claim", async () => {
    const w = world();
    expect(await w.prove(await w.sign())).to.deep.equal({
      kind: "proved",
      grant: { subject: "alice", scopes: ["submit", "read", "cancel", "force"], fields: ["authorization"] },
    });
    const scoped = world({ scopesClaim: "scope" });
    const proof = await scoped.prove(await scoped.sign({ scope: "openid read" }));
    expect(proof).to.have.nested.property("grant.scopes").that.deep.equals(["read"]);
    const none = await scoped.prove(await scoped.sign());
    expect(none).to.have.nested.property("grant.scopes").that.deep.equals([]);
  });

  it("with alg none is refused, signed or not", async () => {
    const w = world();
    const claims = { sub: "alice", iss: policy.issuer, aud: "bank", exp: w.seconds() + 300 };
    for (const alg of ["none", "None", "NONE"]) {
      const unsigned = `${text({ alg, kid: "k1" })}.${text(claims)}.`;
      expect((await w.prove(unsigned)).kind, alg).to.equal("refused");
      expect((await w.prove(`${unsigned}AAAA`)).kind, alg).to.equal("refused");
    }
  });

  it("of HMAC with the public key as its secret is refused", async () => {
    const w = world();
    const claims = { sub: "alice", iss: policy.issuer, aud: "bank", exp: w.seconds() + 300 };
    const pem = await exportSPKI(rsa.publicKey);
    for (const secret of [pem, pem.trim(), JSON.stringify(jwks.keys[0]), jwks.keys[0]!.n!]) {
      const signed = `${text({ alg: "HS256", kid: "k1" })}.${text(claims)}`;
      const mac = createHmac("sha256", secret).update(signed).digest("base64url");
      expect((await w.prove(`${signed}.${mac}`)).kind).to.equal("refused");
    }
  });

  it("of another audience, of two lists without ours, or of none is refused", async () => {
    const w = world();
    for (const aud of ["shop", ["shop", "mail"], undefined, ""])
      expect((await w.prove(await w.sign({ aud } as JWTPayload))).kind, String(aud)).to.equal("refused");
    expect((await w.prove(await w.sign({ aud: ["shop", "bank"] }))).kind).to.equal("proved");
  });

  it("of another issuer is refused", async () => {
    const w = world();
    for (const iss of ["https://issuer.test/", "https://evil.test", undefined])
      expect((await w.prove(await w.sign({ iss } as JWTPayload))).kind, String(iss)).to.equal("refused");
  });

  it("is refused after its end and before its start, but for the skew of clocks; one without an end is refused", async () => {
    const w = world();
    const at = async (claims: JWTPayload) => (await w.prove(await w.sign(claims))).kind;
    expect(await at({ exp: w.seconds() - 61 })).to.equal("refused");
    expect(await at({ exp: w.seconds() - 59 })).to.equal("proved");
    expect(await at({ nbf: w.seconds() + 61 })).to.equal("refused");
    expect(await at({ nbf: w.seconds() + 59 })).to.equal("proved");
    expect(await at({ exp: undefined } as unknown as JWTPayload)).to.equal("refused");
    expect(await at({ exp: "9999999999" } as unknown as JWTPayload)).to.equal("refused");
  });

  it("whose kid is a path or a query is a key that is not there: it forms no address", async () => {
    const w = world();
    for (const kid of ["../../", "../../etc/passwd", "' or 1=1", "https://evil.test/keys", ""])
      expect((await w.prove(await w.sign({}, { kid }))).kind, kid).to.equal("refused");
    expect(new Set(w.asked.map(({ url }) => url.href))).to.deep.equal(new Set([policy.jwksUrl]));
  });

  it("signed with another key, changed after signing, or with a key of its own in its head is refused", async () => {
    const w = world();
    const good = await w.sign();
    const [head, , signature] = good.split(".");
    expect((await w.prove(await w.sign({}, {}, next.privateKey))).kind).to.equal("refused");
    const forged = { sub: "root", iss: policy.issuer, aud: "bank", exp: w.seconds() + 300 };
    expect((await w.prove(`${head}.${text(forged)}.${signature}`)).kind).to.equal("refused");
    const own = { jwk: await jwkOf(next, "k9"), jku: "https://evil.test/keys" };
    const token = await w.sign({}, own as object, next.privateKey);
    expect((await w.prove(token)).kind).to.equal("refused");
  });

  it("that names nobody, or is longer than any, is refused", async () => {
    const w = world();
    for (const sub of ["", undefined, 7])
      expect((await w.prove(await w.sign({ sub } as JWTPayload))).kind).to.equal("refused");
    expect((await w.prove(await w.sign({ more: "x".repeat(9000) }))).kind).to.equal("refused");
  });

  it("is not what another credential in Authorization is", async () => {
    const w = world();
    expect((await w.prove("sk_test_1")).kind).to.equal("absent");
    expect(w.asked).to.have.length(0);
  });
});

describe("an issuer's keys", () => {
  it("that cannot be read let nobody in", async () => {
    const w = world();
    for (const answer of [null, 500, 404] as const) {
      w.answerWith(answer, jwks);
      expect((await w.prove(await w.sign())).kind, String(answer)).to.equal("unavailable");
    }
    w.answerWith(200, { nonsense: true });
    expect((await w.prove(await w.sign())).kind).to.equal("unavailable");
  });

  it("that were read last serve while the issuer is away, until they are too old", async () => {
    const w = world();
    expect((await w.prove(await w.sign())).kind).to.equal("proved");
    w.answerWith(null);
    w.clock.advance(3_599_000);
    expect((await w.prove(await w.sign())).kind).to.equal("proved");
    w.clock.advance(2_000);
    expect((await w.prove(await w.sign())).kind).to.equal("unavailable");
    w.answerWith(200, jwks);
    w.clock.advance(2_000);
    expect((await w.prove(await w.sign())).kind).to.equal("proved");
  });

  it("that have been changed are found by the first token that names a new one, and few readings are made for unknown ones", async () => {
    const w = world();
    await w.prove(await w.sign());
    w.answerWith(200, { keys: [await jwkOf(next, "k2")] });
    const rotated = await w.prove(await w.sign({}, { kid: "k2" }, next.privateKey));
    expect(rotated.kind).to.equal("proved");
    expect(w.asked).to.have.length(2);
    for (let i = 0; i < 20; i += 1) await w.prove(await w.sign({}, { kid: `unknown-${i}` }));
    expect(w.asked).to.have.length(4);
    expect((await w.prove(await w.sign())).kind).to.equal("refused");
  });
});
