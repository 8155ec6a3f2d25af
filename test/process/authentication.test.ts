/** Clients that prove who they are: whose processes are whose, what a credential allows, what the service sees. */
import {
  apiKeyDigest,
  apiKeyText,
  grantScopes,
  type ApiKey,
  type GrantScope,
} from "@sticky-proxy/core/principal";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { suiteStores, type SuiteStore } from "../support/stores.ts";

const keys = new Map<string, ApiKey>();
let drawn = 0;

function keyOf(
  principal: string,
  scopes: readonly GrantScope[] = grantScopes,
  expiresAt: number | null = null,
): string {
  const text = apiKeyText(new Uint8Array(32).fill((drawn += 1)));
  keys.set(apiKeyDigest(text), { id: `key_${drawn}`, principal, scopes, createdAt: 0, expiresAt });
  return text;
}

const alice = keyOf("alice");
const aliceToo = keyOf("alice");
const bob = keyOf("bob");
const reader = keyOf("alice", ["read"]);
const canceller = keyOf("alice", ["cancel"]);
const sender = keyOf("alice", ["submit"]);
const expired = keyOf("alice", grantScopes, 1);
const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`clients that prove who they are, on ${kind}`, () => {
    let suite: SuiteStore;
    let upstream: FakeUpstream;
    let issuer: FakeUpstream;
    let cluster: Nodes;
    let tokenFor: (subject: string) => Promise<string>;

    before(async () => {
      upstream = await FakeUpstream.start();
      issuer = await FakeUpstream.start();
      const { publicKey, privateKey } = await generateKeyPair("ES256");
      const jwk = { ...(await exportJWK(publicKey)), kid: "k1", alg: "ES256" };
      issuer.respond((_request, response) => response.writeHead(200).end(JSON.stringify({ keys: [jwk] })));
      tokenFor = (subject) =>
        new SignJWT({ nonce: (drawn += 1) })
          .setProtectedHeader({ alg: "ES256", kid: "k1" })
          .setSubject(subject)
          .setIssuer("https://issuer.test")
          .setAudience("bank")
          .setExpirationTime("10m")
          .sign(privateKey);
      suite = await openSuiteStore();
      cluster = await startNodes({
        count: 2,
        store: suite.store,
        apiKeys: keys,
        yaml: `
authentication:
  principalField: X-Principal
  methods:
    - apiKey: {}
    - jwt: { jwksUrl: "${issuer.origin}/keys", issuer: "https://issuer.test", audience: [bank] }
    - trustedHeader: { field: X-SSO-User, peers: [127.0.0.1/32] }
services:
  bank:
    instances: [${upstream.origin}]
    routes:
      - match: { methods: [POST], path: /pay }
        process: { identity: key, force: true }
      - match: { methods: [POST], path: /reports }
        process: { identity: request, waitMs: 8000 }
      - match: { path: /own }
        forwardCredential: true
      - match: { methods: [GET], path: /page }
        cache: { defaultTtlMs: 60000 }
  open:
    authentication: "off"
    instances: [${upstream.origin}]
`,
      });
    });
    after(async () => {
      await cluster.close();
      await upstream.close();
      await issuer.close();
      await suite.close();
    });
    beforeEach(() => {
      upstream.requests.length = 0;
      upstream.respond((request, response) =>
        response.writeHead(201).end(`for ${String(request.headers.get("x-principal"))}`),
      );
    });

    const send = (path: string, headers: Record<string, string> = {}, method = "POST") =>
      fetch(`${cluster.url(0)}${path}`, { method, headers, ...(method === "POST" ? { body: "1" } : {}) });
    const pay = (key: string, headers: Record<string, string>) =>
      send("/bank/pay", { "Idempotency-Key": `${kind}-${key}`, ...headers });
    const api = (method: string, path: string, headers: Record<string, string>) =>
      fetch(`${cluster.url(1)}/_sticky/v1/processes${path}`, { method, headers });
    const lookup = (key: string, headers: Record<string, string>) =>
      fetch(`${cluster.url(1)}/_sticky/v1/processes:lookup`, {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body: JSON.stringify({ service: "bank", idempotencyKey: `${kind}-${key}` }),
      });

    it("whoever proves nothing gets 401 with a challenge, and the service sees nothing", async () => {
      for (const headers of [
        {},
        bearer(`sticky_${"A".repeat(43)}`),
        bearer(expired),
        { Authorization: "Basic YTpi" },
      ]) {
        const answer = await pay("nobody", headers as Record<string, string>);
        expect(answer.status).to.equal(401);
        expect(answer.headers.get("www-authenticate")).to.match(/^Bearer realm="sticky-proxy"/);
        expect(answer.headers.get("content-type")).to.equal("application/problem+json");
      }
      expect(upstream.requests).to.have.length(0);
    });

    it("the service is told the principal, and gets neither the credential nor an identity of the client's own", async () => {
      await send("/bank/plain", {
        ...bearer(alice),
        "X-Principal": "root",
        "X-SSO-User": "root",
        X_Principal: "root",
        "X-User-Id": "1",
      });
      const { headers } = upstream.requests[0]!;
      expect(headers.get("x-principal")).to.equal("alice");
      for (const name of ["authorization", "x-sso-user", "x_principal", "x-user-id"])
        expect(headers.has(name), name).to.equal(false);
      await send("/bank/own", bearer(alice));
      expect(upstream.requests[1]!.headers.get("authorization")).to.equal(`Bearer ${alice}`);
      await send("/open/plain", { "X-Principal": "root" });
      expect(upstream.requests[2]!.headers.has("x-principal")).to.equal(false);
    });

    it("two principals with one key are independent, and one principal with two credentials is one", async () => {
      const first = await pay("shared", bearer(alice));
      const others = await pay("shared", bearer(bob));
      const again = await pay("shared", bearer(aliceToo));
      const byToken = await pay("shared", bearer(await tokenFor("alice")));
      expect(await Promise.all([first, others, again].map((answer) => answer.text()))).to.deep.equal([
        "for alice",
        "for bob",
        "for alice",
      ]);
      expect(again.headers.get("idempotent-replayed")).to.equal("true");
      expect(byToken.headers.get("idempotent-replayed")).to.equal("true");
      expect(upstream.requests).to.have.length(2);
    });

    it("the same request of two principals is two processes, and of one principal is one, whatever its token", async () => {
      const tokens = [await tokenFor("carol"), await tokenFor("carol"), await tokenFor("dave")];
      for (const token of tokens) await send(`/bank/reports?of=${kind}`, bearer(token));
      expect(upstream.requests).to.have.length(2);
    });

    it("a process is its principal's, whatever its token of the hour, and nobody else's whatever the token", async () => {
      const begun = await pay("own", bearer(alice));
      const id = begun.headers.get("sticky-process-id")!;
      const owner = { "Sticky-Owner": begun.headers.get("sticky-owner")! };
      expect((await lookup("own", bearer(await tokenFor("alice")))).status).to.equal(200);
      expect((await lookup("own", bearer(bob))).status).to.equal(404);
      expect((await lookup("own", {})).status).to.equal(401);
      expect((await api("GET", `/${id}`, bearer(bob))).status).to.equal(404);
      expect((await api("GET", `/${id}`, owner)).status).to.equal(401);
      expect((await api("DELETE", `/${id}`, { ...bearer(bob), ...owner })).status).to.equal(404);
      expect((await api("GET", `/${id}/result`, bearer(aliceToo))).status).to.equal(201);
      expect((await api("DELETE", `/${id}`, bearer(await tokenFor("alice")))).status).to.equal(204);
    });

    it("a credential does what its scopes allow: submit, read, cancel, force", async () => {
      const id = (await pay("scoped", bearer(alice))).headers.get("sticky-process-id")!;
      const lacks = async (answer: Promise<Response>, scope: string) => {
        const { status, headers } = await answer;
        expect(status, scope).to.equal(403);
        expect(headers.get("www-authenticate")).to.include(`error="insufficient_scope", scope="${scope}"`);
      };
      await lacks(pay("refused", bearer(reader)), "submit");
      await lacks(pay("scoped", { ...bearer(sender), "Sticky-Force": "true" }), "force");
      await lacks(api("GET", `/${id}`, bearer(sender)), "read");
      await lacks(lookup("scoped", bearer(sender)), "read");
      await lacks(api("POST", `/${id}/cancel`, bearer(reader)), "cancel");
      await lacks(api("DELETE", `/${id}`, bearer(reader)), "cancel");
      await lacks(api("POST", `/${id}/rerun`, bearer(canceller)), "force");
      expect((await send("/bank/plain", bearer(reader), "GET")).status).to.equal(201);
      expect((await api("GET", `/${id}`, bearer(reader))).status).to.equal(200);
      expect((await api("DELETE", `/${id}`, bearer(canceller))).status).to.equal(204);
    });

    it("a field of a named peer proves a principal", async () => {
      expect(await (await pay("sso", { "X-SSO-User": "erin" })).text()).to.equal("for erin");
    });
  });
