/** Whose request it is without authentication: hosts, changed credentials, signatures, cookies; and what switching leaves behind. */
import { apiKeyDigest, apiKeyText, grantScopes, type ApiKey } from "@sticky-proxy/core/principal";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { request } from "node:http";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { suiteStores, type SuiteStore } from "../support/stores.ts";

const key = apiKeyText(new Uint8Array(32).fill(9));
const apiKeys = new Map<string, ApiKey>([
  [apiKeyDigest(key), { id: "k", principal: "alice", scopes: grantScopes, createdAt: 0, expiresAt: null }],
]);

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`whose request it is, on ${kind}`, () => {
    let suite: SuiteStore;
    let upstream: FakeUpstream;
    let gateway: Nodes;
    let early: Nodes;
    let late: Nodes;

    const services = (origin: string, more = "") => `
services:
  app:
    instances: [${origin}]
    match: { path: / }
    credential: [authorization, cookie, x-session]
    hostAliases: { www.north.test: north.test }
    ${more}
    routes:
      - match: { methods: [POST], path: /reports }
        process: { identity: request, waitMs: 8000 }
      - match: { methods: [POST], path: /signed }
        signatures: key-id
        process: { identity: key }
      - match: { methods: [POST], path: /plain }
        cookies: ignore
        process: { identity: key }
      - process: { identity: key }
`;

    before(async () => {
      upstream = await FakeUpstream.start();
      suite = await openSuiteStore();
      const { store } = suite;
      gateway = await startNodes({ store, yaml: services(upstream.origin, "preserveHost: true") });
      early = await startNodes({ store, yaml: services(upstream.origin) });
      late = await startNodes({
        store,
        apiKeys,
        formerly: ["principal", "host"],
        yaml: `authentication: { methods: [{ apiKey: { fields: [x-api-key] } }] }${services(upstream.origin, "preserveHost: true")}`,
      });
    });
    after(async () => {
      for (const nodes of [gateway, early, late]) await nodes.close();
      await upstream.close();
      await suite.close();
    });
    beforeEach(() => {
      upstream.requests.length = 0;
      upstream.respond((request, response) =>
        response.writeHead(201).end(`${String(request.headers.get("host"))} ${upstream.requests.length}`),
      );
    });

    /** With a Host of its own, which fetch does not send. */
    async function send(nodes: Nodes, path: string, headers: Record<string, string>, body = "1") {
      const url = new URL(path, nodes.url());
      return new Promise<{ status: number; headers: Record<string, unknown>; text: string }>(
        (resolve, reject) => {
          const sent = request(url, { method: "POST", headers }, (response) => {
            let text = "";
            response.setEncoding("utf8");
            response.on("data", (part: string) => (text += part));
            response.on("end", () =>
              resolve({ status: response.statusCode!, headers: response.headers, text }),
            );
          });
          sent.on("error", reject);
          sent.end(body);
        },
      );
    }
    let keys = 0;
    const fresh = (): string => `${kind}-${(keys += 1)}`;

    it("two hosts are two identities where the service is told the host, under a key and without one", async () => {
      const id = fresh();
      for (const path of [`/reports?of=${id}`, "/pay"]) {
        const answers: string[] = [];
        for (const host of ["north.test", "south.test", "north.test", "www.north.test", "NORTH.test:80"])
          answers.push(
            (await send(gateway, path, { host, ...(path === "/pay" ? { "idempotency-key": id } : {}) })).text,
          );
        expect(answers[0], path).to.match(/^north\.test /);
        expect(answers[1], path).to.match(/^south\.test /);
        expect(new Set([answers[0], ...answers.slice(2)]).size, path).to.equal(1);
      }
    });

    it("the same request under another credential is a problem of its own that sends nobody for a new key", async () => {
      const id = fresh();
      const pay = (authorization: string, body?: string) =>
        send(early, "/pay", { authorization, "idempotency-key": id }, body);
      expect((await pay("Bearer 1")).status).to.equal(201);
      const changed = await pay("Bearer 2");
      const problem = JSON.parse(changed.text) as Record<string, unknown>;
      expect(problem).to.include({
        status: 422,
        type: "/_sticky/problems/credential-changed",
        executed: "unknown",
      });
      expect(changed.text).not.to.match(/new key/i);
      expect(JSON.parse((await pay("Bearer 2", "2")).text)).to.include({
        type: "/_sticky/problems/idempotency-key-reused",
      });
      expect(upstream.requests).to.have.length(1);
    });

    it("cookies of analytics change nothing, and no cookie does where the route ignores them; the service does not see those", async () => {
      const id = fresh();
      const pay = (path: string, cookie: string) => send(early, path, { cookie, "idempotency-key": id });
      expect((await pay("/pay", "sid=1; _ga=GA1.2.3; _gid=4")).status).to.equal(201);
      expect((await pay("/pay", "_fbp=5; sid=1; _ga=GA1.2.6")).headers["idempotent-replayed"]).to.equal(
        "true",
      );
      expect((await pay("/pay", "sid=2; _ga=GA1.2.3")).status).to.equal(422);
      const other = fresh();
      for (const cookie of ["sid=1", "sid=2"])
        expect((await send(early, "/plain", { cookie, "idempotency-key": other })).status).to.equal(201);
      expect(upstream.requests).to.have.length(2);
      expect(upstream.requests[1]!.headers.has("cookie")).to.equal(false);
    });

    it("an attempt that is signed anew is the same where the route compares key ids, and only there", async () => {
      const id = fresh();
      const signed = (path: string, keyName: string, signature: string) =>
        send(early, path, {
          "idempotency-key": id + path,
          authorization: `AWS4-HMAC-SHA256 Credential=${keyName}/20261201/eu/x/aws4_request, SignedHeaders=host, Signature=${signature}`,
        });
      await signed("/signed", "AK1", "aa");
      const again = await signed("/signed", "AK1", "bb");
      expect(again.headers["idempotent-replayed"]).to.equal("true");
      expect((await signed("/signed", "AK2", "bb")).status).to.equal(422);
      await signed("/pay", "AK1", "aa");
      expect((await signed("/pay", "AK1", "bb")).status).to.equal(422);
      const process = await fetch(
        `${early.url()}/_sticky/v1/processes/${String(again.headers["sticky-process-id"])}`,
        {
          method: "DELETE",
          headers: {
            authorization: "AWS4-HMAC-SHA256 Credential=AK1/20261202/eu/x/aws4_request, Signature=cc",
          },
        },
      );
      expect(process.status).to.equal(204);
    });

    it("what was begun before authentication and host entered the scopes is found after it, by key and by request", async () => {
      const id = fresh();
      const old = { host: "north.test", "x-session": "s1" };
      const now = { ...old, "x-api-key": key };
      for (const [path, named] of [
        ["/pay", { "idempotency-key": id }],
        [`/reports?of=${id}`, {}],
      ] as [string, Record<string, string>][]) {
        const first = await send(early, path, { ...old, ...named });
        const retry = await send(late, path, { ...now, ...named });
        expect(retry.headers["idempotent-replayed"], path).to.equal("true");
        expect(retry.text, path).to.equal(first.text);
      }
      const found = await fetch(`${late.url()}/_sticky/v1/processes:lookup`, {
        method: "POST",
        headers: { ...now, "content-type": "application/json" },
        body: JSON.stringify({ service: "app", idempotencyKey: id }),
      });
      expect(found.status).to.equal(200);
      expect(upstream.requests).to.have.length(2);
      const fresher = fresh();
      await send(late, "/pay", { ...now, "idempotency-key": fresher });
      const again = await send(late, "/pay", { ...now, "x-session": "s2", "idempotency-key": fresher });
      expect(again.headers["idempotent-replayed"]).to.equal("true");
    });
  });
