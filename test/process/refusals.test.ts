/** What a service says before the work, instead of it, and after it: which of its answers are results to keep. */
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { expect } from "chai";
import { until } from "../support/until.ts";
import { suiteStores } from "../support/stores.ts";
import { startReplicas } from "./replicas.ts";

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`which answers of a service are results, on ${kind}`, () => {
    const replicas = startReplicas(openSuiteStore, (origin) => ({
      count: 2,
      yaml: `
services:
  shop:
    instances: [${origin}]
    honoursKey: true
    routes:
      - match: { path: /keyed }
        process: { identity: key, failedWhen: { pointer: /ok, equals: [false, error] } }
      - match: { path: /patient }
        process: { identity: key }
        retries: { attempts: 3, minMs: 1, maxMs: 1 }
      - match: { path: /own-list }
        process: { identity: key, refusedStatuses: [418] }
      - match: { path: /released }
        process: { identity: key, onUnknown: { answered: release } }
      - match: { path: /same }
        process: { identity: request, waitMs: 5000, failedWhen: { pointer: /ok, equals: false } }
`,
    }));

    let keys = 0;
    const newKey = (): string => `key-${kind}-${keys++}`;
    /** Not fetch: that keeps 407 from its caller and sends again after a 421. */
    async function send(node: number, path: string, key: string): Promise<Response> {
      const call = request(`${replicas.cluster.url(node)}/shop${path}`, {
        method: "POST",
        headers: { "Idempotency-Key": key, "Content-Type": "application/json" },
      });
      call.end("{}");
      const [answer] = (await once(call, "response")) as [IncomingMessage];
      const headers = Object.entries(answer.headers).map(([name, value]): [string, string] => [
        name,
        String(value),
      ]);
      return new Response(await text(answer), { status: answer.statusCode!, headers });
    }
    /** A first and a second request under one key, on two replicas; how often the service was asked. */
    async function twice(path: string): Promise<{ first: Response; second: Response; asked: number }> {
      const key = newKey();
      const first = await send(0, path, key);
      const second = await send(1, path, key);
      return { first, second, asked: replicas.upstream.requests.length };
    }
    const answers = (status: number, headers: Record<string, string> = {}, body = "said") =>
      replicas.upstream.respond((_request, response) => response.writeHead(status, headers).end(body));

    for (const status of [401, 407, 409, 421, 423, 425, 431, 503])
      it(`a ${status} is passed on, and its key is free for the next try`, async () => {
        answers(status);
        const key = newKey();
        const refused = await send(0, "/patient", key);
        expect(refused.status).to.equal(status);
        expect(await refused.text()).to.equal("said");
        expect(refused.headers.get("sticky-source")).to.equal("service");
        expect(refused.headers.get("idempotency-expires")).to.equal(null);
        answers(201);
        const served = await send(1, "/patient", key);
        expect([served.status, served.headers.get("idempotent-replayed")]).to.deep.equal([201, "false"]);
        const replayed = await send(0, "/patient", key);
        expect([replayed.status, replayed.headers.get("idempotent-replayed")]).to.deep.equal([201, "true"]);
      });

    for (const status of [401, 407, 409, 421, 423, 431, 503])
      it(`a ${status} is never sent again by the gateway`, async () => {
        answers(status);
        await send(0, "/patient", newKey());
        expect(replicas.upstream.requests.length).to.equal(1);
      });

    it("a 503 with Retry-After is sent again where the route has retries", async () => {
      answers(503, { "Retry-After": "0" });
      await send(0, "/patient", newKey());
      expect(replicas.upstream.requests.length).to.equal(3);
    });

    it("clients that wait for one process all get its refusal, from one execution", async () => {
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      replicas.upstream.respond(
        (_request, response) => void held.then(() => response.writeHead(423).end("locked")),
      );
      const key = newKey();
      const first = send(0, "/keyed", key);
      await replicas.upstream.arrived();
      const second = send(1, "/keyed", key);
      await until(() => replicas.cluster.nodes[1]!.gateway.server.inFlight === 1);
      release();
      const both = await Promise.all([first, second]);
      expect(both.map(({ status }) => status)).to.deep.equal([423, 423]);
    });

    it("the route's own list takes the place of the usual one", async () => {
      answers(418);
      expect((await twice("/own-list")).asked).to.equal(2);
      replicas.upstream.requests.length = 0;
      answers(409);
      expect((await twice("/own-list")).asked).to.equal(1);
    });

    it("a refused process says that it did not run", async () => {
      answers(423);
      const { headers } = await send(0, "/keyed", newKey());
      const view = await fetch(
        `${replicas.cluster.url(1)}/_sticky/v1/processes/${headers.get("sticky-process-id")}`,
      );
      const { status, outcome } = (await view.json()) as { status: string; outcome: object };
      expect(status).to.equal("failed");
      expect(outcome).to.deep.equal({ executed: "no", httpStatus: 423 });
    });

    for (const status of [408, 502, 504])
      it(`a ${status} leaves it unknown whether the work ran: passed on, and by default kept`, async () => {
        answers(status);
        const { first, second, asked } = await twice("/keyed");
        expect([first.status, second.status, asked]).to.deep.equal([status, status, 1]);
        expect(await second.text()).to.equal("said");
        const view = await fetch(
          `${replicas.cluster.url(0)}/_sticky/v1/processes/${first.headers.get("sticky-process-id")}`,
        );
        expect(((await view.json()) as { outcome: object }).outcome).to.deep.equal({
          executed: "unknown",
          httpStatus: status,
        });
      });

    it("a 504 frees the key where onUnknown says so", async () => {
      answers(504);
      const { first, second, asked } = await twice("/released");
      expect([first.status, second.status, asked]).to.deep.equal([504, 504, 2]);
    });

    it("errors under identity request are kept for a minute, successes for a day", async () => {
      const expiry = async (status: number): Promise<number> => {
        answers(status);
        const { headers } = await send(0, `/same/${status}`, newKey());
        return Math.round((Date.parse(headers.get("idempotency-expires") ?? "") - Date.now()) / 60_000);
      };
      expect([await expiry(404), await expiry(422), await expiry(201)]).to.deep.equal([1, 1, 1440]);
    });

    it("a 200 whose body says that it failed counts as a 500 of the service", async () => {
      const json = { "Content-Type": "application/json" };
      answers(200, json, '{"ok":false}');
      const { first, second, asked } = await twice("/keyed");
      expect([first.status, first.headers.get("sticky-process-status")]).to.deep.equal([200, "failed"]);
      expect([second.status, asked]).to.deep.equal([200, 1]);
      answers(200, json, '{"ok":"error"}');
      const named = await send(0, "/keyed", newKey());
      expect(named.headers.get("sticky-process-status")).to.equal("failed");
      answers(200, json, '{"ok":true}');
      const good = await send(0, "/keyed", newKey());
      expect(good.headers.get("sticky-process-status")).to.equal("completed");
    });
  });
