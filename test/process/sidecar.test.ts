import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes } from "../support/nodes.ts";
import { suiteStores } from "../support/stores.ts";
import { startReplicas } from "./replicas.ts";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`the idempotency sidecar, over three replicas on ${kind}`, () => {
    const replicas = startReplicas(openSuiteStore, (origin) => ({
      count: 3,
      yaml: `
services:
  payments:
    instances: [${origin}]
    routes:
      - match: { path: /strict }
        process: { identity: key, onDuplicate: reject }
      - match: { path: /large }
        process: { identity: key, maxResultBytes: 1000 }
      - match: { path: /short }
        process: { identity: key, waitMs: 50 }
      - match: { path: /charges }
        process: { identity: key }
      - match: { path: /maybe }
        process: { identity: key, key: optional }
`,
    }));
    beforeEach(() => {
      replicas.upstream.respond((_request, response) =>
        response.writeHead(201, { "X-Charge": "c1" }).end('{"id":"c1"}'),
      );
    });

    let keys = 0;
    const newKey = (): string => `key-${(keys += 1)}`;
    function charge(node: number, key: string, body = '{"amount":5}', path = "/payments/charges", more = {}) {
      return fetch(replicas.cluster.url(node) + path, {
        method: "POST",
        headers: { "Idempotency-Key": key, "Content-Type": "application/json", ...more },
        body,
      });
    }

    it("runs once, and replays the stored answer on any replica without touching the service", async () => {
      const key = newKey();
      const first = await charge(0, key);
      expect(first.status).to.equal(201);
      expect(first.headers.get("idempotent-replayed")).to.equal("false");
      expect(first.headers.get("sticky-source")).to.equal("service");
      expect(first.headers.get("sticky-process-status")).to.equal("completed");
      const text = await first.text();
      const second = await charge(1, `"${key}"`, '{ "amount": 5.0 }');
      expect(second.status).to.equal(201);
      expect(second.headers.get("idempotent-replayed")).to.equal("true");
      expect(second.headers.get("sticky-source")).to.equal("store");
      expect(second.headers.get("x-charge")).to.equal("c1");
      expect(second.headers.get("sticky-process-id")).to.equal(first.headers.get("sticky-process-id"));
      expect(Date.parse(second.headers.get("idempotency-expires")!)).to.be.greaterThan(Date.now());
      expect(await second.text()).to.equal(text);
      expect(replicas.upstream.requests).to.have.length(1);
      const sent = replicas.upstream.requests[0]!.headers;
      expect(sent.get("idempotency-key")).to.equal(key);
      expect(sent.get("sticky-attempt")).to.equal("1");
      expect(sent.get("sticky-fence")).to.match(/^\d{10,}$/);
      expect(sent.get("sticky-execution")).to.match(/^1\./);
      expect(sent.get("sticky-process-id")).to.equal(first.headers.get("sticky-process-id"));
    });

    it("joins a request in flight: one execution, one answer for all", async () => {
      const key = newKey();
      const gate = Promise.withResolvers<void>();
      replicas.upstream.respond(async (_request, response) => {
        await gate.promise;
        response.writeHead(201).end("done");
      });
      const all = Array.from({ length: 30 }, (_, i) => charge(i, key));
      await replicas.upstream.arrived(1);
      gate.resolve();
      const answers = await Promise.all(all);
      expect(await Promise.all(answers.map((a) => a.text()))).to.deep.equal(Array(30).fill("done"));
      expect(new Set(answers.map((a) => a.status))).to.deep.equal(new Set([201]));
      expect(replicas.upstream.requests).to.have.length(1);
      expect(answers.filter((a) => a.headers.get("idempotent-replayed") === "false")).to.have.length(1);
    });

    it("answers 409 with a status link where the route says reject", async () => {
      const key = newKey();
      const gate = Promise.withResolvers<void>();
      replicas.upstream.respond(async (_request, response) => {
        await gate.promise;
        response.end("done");
      });
      const first = charge(0, key, "{}", "/payments/strict");
      await replicas.upstream.arrived(1);
      const second = await charge(1, key, "{}", "/payments/strict");
      expect(second.status).to.equal(409);
      expect(second.headers.get("retry-after")).to.match(/^\d+$/);
      expect(second.headers.get("link")).to.match(/^<\/_sticky\/v1\/processes\/[^>]+>; rel="?status"?$/);
      expect(await second.json()).to.include({ type: "/_sticky/problems/request-in-progress", status: 409 });
      gate.resolve();
      expect((await first).status).to.equal(200);
    });

    it("422 for another payload under the key, also while the first runs, and the service is not touched", async () => {
      const key = newKey();
      const gate = Promise.withResolvers<void>();
      replicas.upstream.respond(async (_request, response) => {
        await gate.promise;
        response.end("done");
      });
      const first = charge(0, key);
      await replicas.upstream.arrived(1);
      const other = await charge(1, key, '{"amount":6}');
      expect(other.status).to.equal(422);
      expect(await other.json()).to.include({
        executed: "no",
        type: "/_sticky/problems/idempotency-key-reused",
      });
      gate.resolve();
      await first;
      expect((await charge(2, key, '{"amount":6}')).status).to.equal(422);
      expect((await charge(2, key, '{"amount":5}', "/payments/charges?x=1")).status).to.equal(422);
      const credential = await charge(2, key, '{"amount":5}', "/payments/charges", {
        Authorization: "Bearer other",
      });
      expect(credential.status).to.equal(422);
      expect(replicas.upstream.requests).to.have.length(1);
    });

    for (const [what, headers] of [
      ["missing", {}],
      ["empty", { "Idempotency-Key": '""' }],
      ["longer than 255", { "Idempotency-Key": "x".repeat(256) }],
      ["contradicted by its alias", { "Idempotency-Key": "a", "X-Idempotency-Key": "b" }],
    ] as const) {
      it(`400 for a key that is ${what}`, async () => {
        const answer = await fetch(`${replicas.cluster.url()}/payments/charges`, {
          method: "POST",
          headers,
          body: "{}",
        });
        expect(answer.status).to.equal(400);
        expect((await answer.json()) as object).to.include({
          type: `/_sticky/problems/idempotency-key-${what === "missing" ? "missing" : "invalid"}`,
          executed: "no",
        });
        expect(replicas.upstream.requests).to.have.length(0);
      });
    }

    it("takes the alias, and keys with characters that mean something to a store", async () => {
      for (const key of ["a:{b}*?[c]", ":", "{}"]) {
        const send = (name: string) =>
          fetch(`${replicas.cluster.url()}/payments/charges`, {
            method: "POST",
            headers: { [name]: key },
            body: "{}",
          });
        expect((await send("X-Idempotency-Key")).headers.get("idempotent-replayed")).to.equal("false");
        expect((await send("Idempotency-Key")).headers.get("idempotent-replayed")).to.equal("true");
      }
    });

    it("502 with executed unknown when the service's connection is cut half-way; the identity is free and a retry runs", async () => {
      const key = newKey();
      replicas.upstream.respond((_request, response) => {
        response.writeHead(200, { "Content-Length": "100" });
        response.write("half");
        setImmediate(() => response.destroy());
      });
      const cut = await charge(0, key);
      expect(cut.status).to.equal(502);
      expect(await cut.json()).to.include({
        executed: "unknown",
        type: "/_sticky/problems/upstream-invalid-response",
      });
      expect(cut.headers.get("sticky-process-status")).to.equal("failed");
      replicas.upstream.respond((_request, response) => response.end("done"));
      const retry = await charge(1, key);
      expect(retry.status).to.equal(200);
      expect(retry.headers.get("idempotent-replayed")).to.equal("false");
      expect(replicas.upstream.requests).to.have.length(2);
      const fences = replicas.upstream.requests.map((r) => Number(r.headers.get("sticky-fence")));
      expect(fences[1]).to.be.greaterThan(fences[0]!);
    });

    it("keeps and replays the service's own 500", async () => {
      const key = newKey();
      replicas.upstream.respond((_request, response) => response.writeHead(500).end("broken"));
      expect((await charge(0, key)).status).to.equal(500);
      const again = await charge(1, key);
      expect(again.status).to.equal(500);
      expect(again.headers.get("idempotent-replayed")).to.equal("true");
      expect(replicas.upstream.requests).to.have.length(1);
    });

    it("passes the service's 429 on, does not keep it, and runs again", async () => {
      const key = newKey();
      replicas.upstream.respond((_request, response) => response.writeHead(429).end("slow down"));
      const limited = await charge(0, key);
      expect(limited.status).to.equal(429);
      expect(await limited.text()).to.equal("slow down");
      replicas.upstream.respond((_request, response) => response.end("done"));
      expect((await charge(1, key)).status).to.equal(200);
    });

    it("504 with a link when the hold ends; the work goes on and the same key gets the result", async () => {
      const key = newKey();
      const gate = Promise.withResolvers<void>();
      replicas.upstream.respond(async (_request, response) => {
        await gate.promise;
        response.end("late");
      });
      const held = await charge(0, key, "{}", "/payments/short");
      expect(held.status).to.equal(504);
      expect(await held.json()).to.include({
        executed: "unknown",
        type: "/_sticky/problems/upstream-timeout",
      });
      expect(held.headers.get("link")).to.contain("rel=");
      const status = replicas.cluster.url(1) + /<([^>]+)>/.exec(held.headers.get("link")!)![1]!;
      expect(((await (await fetch(status)).json()) as { status: string }).status).to.equal("in-progress");
      gate.resolve();
      const joined = await fetch(`${status}/result`, { headers: { Prefer: "wait=5" } });
      expect(await joined.text()).to.equal("late");
      expect((await charge(2, key, "{}", "/payments/short")).status).to.equal(200);
      expect(replicas.upstream.requests).to.have.length(1);
    });

    it("streams a result that is too large to keep to its client and says so to later ones", async () => {
      const key = newKey();
      const large = "x".repeat(200_000);
      replicas.upstream.respond((_request, response) => response.end(large));
      const first = await charge(0, key, "{}", "/payments/large");
      expect(first.status).to.equal(200);
      expect(await first.text()).to.equal(large);
      const second = await charge(1, key, "{}", "/payments/large");
      expect(second.status).to.equal(502);
      expect(await second.json()).to.include({ executed: "yes", type: "/_sticky/problems/result-too-large" });
      expect(replicas.upstream.requests).to.have.length(1);
    });

    it("proxies plainly without a key where the key is optional, and refuses what needs a process there", async () => {
      const plain = await fetch(`${replicas.cluster.url()}/payments/maybe`, {
        method: "POST",
        body: "x".repeat(10_000),
      });
      expect(plain.status).to.equal(201);
      expect(plain.headers.has("sticky-process-id")).to.equal(false);
      const forced = await fetch(`${replicas.cluster.url()}/payments/maybe`, {
        method: "POST",
        headers: { "Sticky-Force": "true" },
      });
      expect(forced.status).to.equal(400);
      expect(replicas.upstream.requests).to.have.length(1);
    });

    it("403 for force where the route does not allow it", async () => {
      const answer = await charge(0, newKey(), "{}", "/payments/charges", { "Sticky-Force": "true" });
      expect(answer.status).to.equal(403);
      expect(await answer.json()).to.include({ type: "/_sticky/problems/forbidden" });
      expect(replicas.upstream.requests).to.have.length(0);
    });

    it("502 with executed no when the service cannot be reached, and the identity is free", async () => {
      const dead = await FakeUpstream.start();
      const { origin } = dead;
      await dead.close();
      const alone = await startNodes({
        yaml: `services: { gone: { instances: [${origin}], routes: [{ process: { identity: key } }] } }`,
      });
      try {
        const send = () =>
          fetch(`${alone.url()}/gone/x`, { method: "POST", headers: { "Idempotency-Key": "k" }, body: "{}" });
        for (let i = 0; i < 2; i += 1) {
          const answer = await send();
          expect(answer.status).to.equal(502);
          expect(await answer.json()).to.include({
            executed: "no",
            type: "/_sticky/problems/upstream-unreachable",
          });
          expect(answer.headers.get("proxy-status")).to.contain("connection_refused");
        }
      } finally {
        await alone.close();
      }
    });
  });
