/** Control of a process by real proxies and sweepers: pacing, retries, dead letters, webhooks, cancel, client, lists. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { createClient, isProblem } from "@sticky-proxy/client";
import type { ProcessView } from "@sticky-proxy/protocol";
import { listProcesses } from "@sticky-proxy/operations";
import { openStore } from "@sticky-proxy/store";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Webhook } from "standardwebhooks";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { report } from "../support/report.ts";
import { until } from "../support/until.ts";

const root = join(import.meta.dirname, "../..");
const newKey = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
const oldKey = `whsec_${Buffer.alloc(32, 2).toString("base64")}`;
const serviceKey = `whsec_${Buffer.alloc(32, 3).toString("base64")}`;
const pause = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));

type Sink = (value: unknown) => void;
type App = (secret: string, onEvent: Sink, onError: Sink) => unknown;
const frameworks: Record<string, (app: unknown) => Promise<RequestListener>> = {
  express: async (app) => app as RequestListener,
  koa: async (app) => (app as { callback(): RequestListener }).callback(),
  fastify: async (app) => {
    const { ready, routing } = app as { ready(): Promise<void>; routing: RequestListener };
    await ready.call(app);
    return (request, response) => routing.call(app, request, response);
  },
};

describe("control of a process, by real proxies and sweepers", function () {
  this.timeout(60_000);
  let upstream: FakeUpstream;
  let shop: FakeUpstream;
  let cluster: Cluster;
  const examples = new Map<string, Server>();
  const troubles: unknown[] = [];

  before(async () => {
    upstream = await FakeUpstream.start();
    shop = await FakeUpstream.start();
    for (const [name, listen] of Object.entries(frameworks)) {
      const example = (await import(`${root}/packages/client/examples/${name}.ts`)) as Record<string, App>;
      const app = example[`${name}App`]!(
        serviceKey,
        () => undefined,
        (error) => troubles.push(error),
      );
      const server = createServer(await listen(app)).listen(0, "127.0.0.1");
      await once(server, "listening");
      examples.set(name, server);
    }
    const portOf = (server: Server): number => (server.address() as AddressInfo).port;
    const instances = [upstream.origin];
    const key = { identity: "key", waitMs: 20_000 };
    const retries = { attempts: 3, minMs: 10, maxMs: 50 };
    const endpoint = (path: string) => ({
      url: shop.origin + path,
      secrets: [newKey, oldKey],
      allowPrivate: true,
    });
    cluster = await startCluster({
      sweepers: 2,
      config: {
        sweeper: { tickMs: 50 },
        webhooks: { shop: endpoint("/events"), gone: endpoint("/gone") },
        services: {
          paced: {
            instances,
            limits: { maxQueue: 2 },
            routes: [{ process: key, retries: { ...retries, attempts: 5 } }],
          },
          careful: { instances, routes: [{ process: { ...key, onUnknown: "fail" }, retries }] },
          robust: {
            instances,
            honoursKey: true,
            routes: [{ process: { ...key, onUnknown: "retry" }, retries }],
          },
          fragile: {
            instances,
            routes: [{ process: { ...key, onUnknown: "fail", leaseMs: 600, keepRequest: true } }],
          },
          cancelled: {
            instances,
            routes: [{ process: { ...key, cancelHook: `${upstream.origin}/stop` } }],
          },
          brief: {
            instances,
            routes: [{ process: { ...key, resultTtlMs: 1000, tombstoneMs: 1500 } }],
          },
          listed: { instances, routes: [{ process: key }] },
          ...Object.fromEntries(
            [...examples].map(([name, server]) => [
              name,
              {
                instances: [`http://127.0.0.1:${portOf(server)}`],
                callbackAuth: { mode: "both", secrets: [serviceKey] },
                routes: [{ process: { ...key, completion: "callback", onWaitEnd: "accepted" } }],
              },
            ]),
          ),
        },
      },
    });
  });
  after(async () => {
    await cluster?.stop();
    for (const server of examples.values()) {
      server.closeAllConnections();
      server.close();
    }
    await Promise.all([upstream?.close(), shop?.close()]);
  });
  beforeEach(() => {
    upstream.requests.length = 0;
    shop.requests.length = 0;
    upstream.respond((_request, response) => response.end("done"));
    shop.respond((_request, response) => response.writeHead(204).end());
  });

  let keys = 0;
  function post(path: string, node = 0, headers: Record<string, string> = {}): Promise<Response> {
    const url = (cluster.proxies[node] ?? cluster.proxies[0]!).url + path;
    return fetch(url, {
      method: "POST",
      headers: { "Idempotency-Key": `key-${(keys += 1)}`, ...headers },
      body: "{}",
    });
  }
  async function viewOf(id: string, node = 1): Promise<ProcessView> {
    return (await (await fetch(`${cluster.url(node)}/_sticky/v1/processes/${id}`)).json()) as ProcessView;
  }
  const idOf = (answer: Response): string => answer.headers.get("sticky-process-id")!;
  async function cli<T>(...args: string[]): Promise<T> {
    const file = join(root, "services/cli/src/cli.ts");
    const env = { ...process.env, REDIS_URL: cluster.redis.url };
    const { stdout } = await promisify(execFile)(process.execPath, [file, ...args, "--json"], { env });
    return JSON.parse(stdout) as T;
  }

  it("429 and Retry-After pause the service on every replica; a bounded queue, our own 429 beyond it", async () => {
    let isBusy = true;
    upstream.respond((_request, response) => {
      if (isBusy) response.writeHead(429, { "Retry-After": "10" }).end();
      else response.end("at last");
      isBusy = false;
    });
    const first = post("/paced/x", 0);
    await upstream.arrived(1);
    await pause(2500); // the pause is read by the others once a second
    const held = [post("/paced/x", 1), post("/paced/x", 1), post("/paced/x", 2)];
    await until(async () => {
      const { processes } = await cli<{ processes: unknown[] }>("ps", "paced", "--status", "pending");
      return processes.length === 3;
    });
    const refused = await post("/paced/x", 1);
    expect(refused.status).to.equal(429);
    expect(refused.headers.get("retry-after")).to.match(/^\d+$/);
    expect(await refused.json()).to.include({ executed: "no" });
    expect(upstream.requests).to.have.length(1);
    for (const answer of await Promise.all([first, ...held]))
      expect([answer.status, await answer.text()]).to.deep.equal([200, "at last"]);
    expect(upstream.requests).to.have.length(5);
  });

  it("sends again what was not executed, or what a service that honours the key may get twice; nothing else", async () => {
    const counts = async (path: string): Promise<[number, number]> => {
      upstream.requests.length = 0;
      const { status } = await post(path);
      return [status, upstream.requests.length];
    };
    upstream.respond((_request, response) => response.writeHead(503, { "Retry-After": "0" }).end());
    expect(await counts("/careful/x")).to.deep.equal([503, 3]);
    upstream.respond((_request, response) => response.writeHead(500).end());
    expect(await counts("/careful/x")).to.deep.equal([500, 1]);
    expect(await counts("/robust/x")).to.deep.equal([500, 3]);
    upstream.respond((_request, response) => response.destroy());
    expect(await counts("/careful/x")).to.deep.equal([502, 1]);
    expect(await counts("/robust/x")).to.deep.equal([502, 3]);
    const fences = upstream.requests.map(({ headers }) => Number(headers.get("sticky-fence")));
    expect(fences).to.deep.equal([...fences].sort((a, b) => a - b));
    expect(new Set(fences).size).to.equal(3);
  });

  it("keeps a dead letter for each failed attempt although proxy and sweeper are killed around it", async () => {
    const victim = await cluster.startProxy();
    cluster.proxies.pop();
    let arrived = 0;
    upstream.respond((_request, response) => {
      const ms = (arrived += 1) * 10;
      setTimeout(() => response.destroy(), ms);
    });
    const ids: string[] = [];
    const sent = Array.from({ length: 30 }, async (_, i) => {
      const answer = await fetch(`${victim.url}/fragile/x`, {
        method: "POST",
        headers: { "Idempotency-Key": `fragile-${i}` },
        body: "{}",
      }).catch(() => null);
      await answer?.text();
      return answer?.status ?? null;
    });
    await upstream.arrived(30);
    for (const { headers } of upstream.requests) ids.push(headers.get("sticky-process-id")!);
    await pause(150); // in the middle of the failures
    await Promise.all([victim.kill("SIGKILL"), cluster.sweepers.shift()!.kill("SIGKILL")]);
    const answered = (await Promise.all(sent)).filter((status) => status !== null);
    expect(answered.length).to.be.within(1, 29);
    await until(async () => (await Promise.all(ids.map((id) => viewOf(id)))).every(({ done }) => done));
    interface Letter {
      readonly id: string;
      readonly outcome: { readonly executed: string };
    }
    const { deadLetters } = await cli<{ deadLetters: Letter[] }>("dlq", "list", "--limit", "200");
    const letters = new Map(deadLetters.map((letter) => [letter.id, letter]));
    expect(ids.filter((id) => !letters.has(id))).to.deep.equal([]);
    for (const id of ids) expect(letters.get(id)!.outcome.executed).to.equal("unknown");
    const shown = await cli<{ request: { bodyBytes: number } | null }>("show", ids[0]!);
    expect(shown.request).to.include({ bodyBytes: 2 });
  });

  it("webhooks: both signatures while keys change, the same id again after a 503, 410 ends them as a dead letter", async () => {
    let busy = 1;
    shop.respond(({ target }, response) => {
      if (target === "/gone") response.writeHead(410).end();
      else if ((busy -= 1) >= 0) response.writeHead(503, { "Retry-After": "1" }).end();
      else response.writeHead(204).end();
    });
    const told = await post("/listed/x", 1, { "Sticky-Callback": "shop" });
    const gone = idOf(await post("/listed/x", 2, { "Sticky-Callback": "gone" }));
    const events = await until(() => {
      const all = shop.requests.filter(({ target, ended }) => target === "/events" && ended);
      return all.length === 2 ? all : null;
    });
    const [first, second] = events;
    expect(second!.headers.get("webhook-id")).to.equal(first!.headers.get("webhook-id"));
    for (const { body, headers } of events)
      for (const key of [newKey, oldKey])
        expect(
          new Webhook(key).verify(body.toString(), Object.fromEntries(headers)) as { data: object },
        ).to.have.nested.property("data.id", idOf(told));
    await until(async () => {
      const shown = await cli<{ webhook: { state: string }; deadLetter: string | null }>("show", gone);
      return shown.webhook.state === "failed" && shown.deadLetter === "callback";
    });
    expect(shop.requests.filter(({ target }) => target === "/gone")).to.have.length(1);
  });

  it("cancel closes the socket, calls the hook, tells the heartbeat; the late result stands in the timeline", async () => {
    const closed = Promise.withResolvers<void>();
    upstream.respond(({ target }, response) => {
      if (target === "/stop") response.end();
      else response.once("close", () => closed.resolve());
    });
    const held = post("/cancelled/x", 0);
    await upstream.arrived(1);
    const { headers } = upstream.last;
    const id = headers.get("sticky-process-id")!;
    const cancel = await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}/cancel`, { method: "POST" });
    expect(cancel.status).to.equal(200);
    await closed.promise;
    await until(() => upstream.requests.some(({ target, ended }) => target === "/stop" && ended));
    expect((await held).status).to.equal(409);
    const reported = (action: string) => report({ headers }, { at: cluster.url(2), action });
    expect(await (await reported("heartbeat")).json()).to.include({ cancelRequested: true });
    expect((await reported("complete")).status).to.equal(409);
    const { timeline } = await cli<{ timeline: { event: string }[] }>("show", id);
    expect(timeline.map(({ event }) => event)).to.include.members(["created", "cancelled", "late-report"]);
  });

  for (const name of Object.keys(frameworks))
    it(`the client and the ${name} example work through the gateway, each request on another replica`, async () => {
      let requests = 0;
      const client = createClient({
        baseUrl: "http://gateway",
        fetch: (url, init) => fetch(url.replace("http://gateway", cluster.url((requests += 1))), init),
      });
      const handle = await client.submit(`${name}/reports`, { json: { month: 11 } });
      expect((await handle.wait()).status).to.equal("completed");
      const result = await handle.result();
      expect([result.status, await result.json()]).to.deep.equal([
        201,
        { url: `/reports/${handle.idempotencyKey}.pdf` },
      ]);
      const bad = await client.submit(`${name}/reports`, { json: { month: 13 } });
      expect((await bad.result()).status).to.equal(422);
      expect(troubles).to.deep.equal([]);
    });

  it("a key is found while its process lives; 410 while the tombstone does; then nothing is left", async () => {
    const owner = { Authorization: "Bearer brief" };
    const client = createClient({ baseUrl: cluster.url(2), headers: owner });
    const idempotencyKey = "brief";
    const answer = await post("/brief/x", 0, { "Idempotency-Key": idempotencyKey, ...owner });
    const id = idOf(answer);
    expect((await client.lookup({ service: "brief", idempotencyKey }))?.id).to.equal(id);
    expect(await client.lookup({ service: "listed", idempotencyKey })).to.equal(null);
    const statusOf = async (path = ""): Promise<number> =>
      (await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}${path}`)).status;
    await until(async () => (await statusOf()) === 410);
    expect(await statusOf("/result")).to.equal(410);
    const expired = await client.status(id).catch((error: unknown) => error);
    expect(isProblem(expired, "process-expired")).to.equal(true);
    await until(async () => (await statusOf()) === 404);
    const again = await post("/brief/x", 1, { "Idempotency-Key": idempotencyKey });
    expect([again.headers.get("idempotent-replayed"), idOf(again) === id]).to.deep.equal(["false", false]);
  });

  it("pages miss no process that is there all the while, although others are created and finish", async () => {
    const there = new Set<string>();
    const slow = new Map<string, () => void>();
    upstream.respond(({ headers }, response) => {
      const id = headers.get("sticky-process-id")!;
      if (headers.get("x-slow") === undefined) response.end("done");
      else slow.set(id, () => response.end("done"));
    });
    for (let i = 0; i < 60; i += 1) there.add(idOf(await post("/listed/x", i % 3)));
    const running = Array.from({ length: 20 }, (_, i) => post("/listed/x", i % 3, { "X-Slow": "1" }));
    await until(() => slow.size === 20);
    for (const id of slow.keys()) there.add(id);
    const store = await openStore({
      target: { url: cluster.redis.url },
      keyPrefix: "sp:",
      partitions: 64,
      timelineLength: 100,
      waitMs: 5000,
      onError: () => undefined,
    });
    try {
      const seen: string[] = [];
      let cursor: string | null = null;
      const busy: Promise<Response>[] = [];
      do {
        const page: Awaited<ReturnType<typeof listProcesses>> = await listProcesses(store.processes, {
          services: ["listed"],
          statuses: [],
          olderThanMs: null,
          limit: 7,
          cursor,
        });
        if (page.kind !== "page") throw new Error(page.reason);
        for (const { partition, scope, epoch, status } of page.items)
          seen.push(`${status} ${partition}.${scope}.${epoch.toString(36)}`);
        cursor = page.next;
        for (const finish of [...slow.values()].slice(0, 3)) finish();
        for (const id of [...slow.keys()].slice(0, 3)) slow.delete(id);
        busy.push(post("/listed/x", busy.length % 3));
        await busy.at(-1);
      } while (cursor !== null);
      expect(new Set(seen).size).to.equal(seen.length);
      const ids = new Set(seen.map((entry) => entry.split(" ")[1]));
      expect([...there].filter((id) => !ids.has(id))).to.deep.equal([]);
    } finally {
      await store.close();
      for (const finish of slow.values()) finish();
      await Promise.all(running);
    }
  });
});
