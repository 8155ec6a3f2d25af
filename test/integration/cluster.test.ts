import { FakeUpstream, RawClient, type FakeHandler } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { report } from "../support/report.ts";

describe("three proxy processes behind HAProxy, one Redis, one sweeper", function () {
  this.timeout(60_000);
  let upstream: FakeUpstream;
  let cluster: Cluster;
  /** Two instances of the service "checked", and what their health pages say. */
  let sick: FakeUpstream;
  let well: FakeUpstream;
  let isSick = false;
  let isWell = true;
  const instance =
    (name: string, isUp: () => boolean): FakeHandler =>
    (request, response) => {
      if (request.target === "/health") response.writeHead(isUp() ? 200 : 500).end();
      else if (request.headers.get("sticky-attempt") === "1") response.writeHead(500).end();
      else response.end(name);
    };
  /** Between two looks at something that a timer of another process moves. */
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50));

  before(async () => {
    upstream = await FakeUpstream.start();
    sick = await FakeUpstream.start(instance("sick", () => isSick));
    well = await FakeUpstream.start(instance("well", () => isWell));
    cluster = await startCluster({
      balancer: true,
      config: {
        services: {
          reports: {
            instances: [upstream.origin],
            routes: [
              {
                process: { identity: "request", completion: "callback", waitMs: 20_000, deadlineMs: 60_000 },
              },
            ],
          },
          payments: {
            instances: [upstream.origin],
            routes: [
              { match: { path: "/long" }, process: { identity: "key", leaseMs: 1000 } },
              {
                match: { path: "/released" },
                process: {
                  identity: "key",
                  leaseMs: 1000,
                  onUnknown: { cut: "release", timeout: "fail", lost: "release" },
                },
              },
              { process: { identity: "key" } },
            ],
          },
          robust: {
            instances: [upstream.origin],
            honoursKey: true,
            routes: [
              {
                process: { identity: "key", leaseMs: 1000, onUnknown: "retry" },
                retries: { attempts: 2, minMs: 10, maxMs: 100 },
              },
            ],
          },
          accounts: {
            instances: [upstream.origin],
            credential: ["x-account"],
            routes: [
              { match: { methods: ["PUT"] }, process: { identity: "key", waitMs: 10_000 } },
              { match: { methods: ["GET"] }, cache: { keyHeaders: ["x-country"] } },
            ],
          },
          checked: {
            instances: [
              { url: sick.origin, name: "sick" },
              { url: well.origin, name: "well" },
            ],
            health: { path: "/health", intervalMs: 500, timeoutMs: 500, rise: 1, fall: 2 },
            honoursKey: true,
            routes: [
              {
                match: { path: "/again" },
                retries: { attempts: 2, minMs: 1600, maxMs: 1600 }, // over half a lease: by the sweeper
                process: { identity: "key", leaseMs: 3000 },
              },
            ],
          },
          plain: { instances: [upstream.origin] },
        },
      },
    });
  });
  after(async () => {
    await cluster?.stop();
    await Promise.all([upstream?.close(), sick?.close(), well?.close()]);
  });
  beforeEach(() => {
    upstream.requests.length = 0;
    upstream.respond((_request, response) => response.end("done"));
  });

  const balanced = (): string => cluster.balancer!.url;

  it("200 identical requests at once: one execution, 200 equal answers", async () => {
    const gate = Promise.withResolvers<void>();
    upstream.respond(async (_request, response) => {
      await gate.promise;
      response.writeHead(201, { "X-Run": "1" }).end(`run ${upstream.requests.length}`);
    });
    const all = Array.from({ length: 200 }, () =>
      fetch(`${balanced()}/payments/x`, {
        method: "POST",
        headers: { "Idempotency-Key": "burst" },
        body: "{}",
      }),
    );
    await upstream.arrived(1);
    gate.resolve();
    const answers = await Promise.all(
      all.map(async (one) => {
        const answer = await one;
        return `${answer.status} ${answer.headers.get("x-run")} ${answer.headers.get("sticky-process-id")} ${await answer.text()}`;
      }),
    );
    expect(new Set(answers).size).to.equal(1);
    expect(answers[0]).to.match(/^201 1 \S+ run 1$/);
    expect(upstream.requests).to.have.length(1);
  });

  it("a callback on another replica answers the held client; any replica serves the process", async () => {
    const held = fetch(`${cluster.url(0)}/reports/run`, { method: "POST", body: "{}" });
    await upstream.arrived(1);
    const sent = upstream.last;
    expect(sent.headers.get("sticky-callback-url")).to.contain(balanced());
    const callback = await report(sent, { at: cluster.url(1), body: '{"pages":2}' });
    expect(callback.status).to.equal(200);
    expect(await (await held).json()).to.deep.equal({ pages: 2 });
    for (let i = 0; i < 3; i += 1) {
      const view = await fetch(
        `${cluster.url(i)}/_sticky/v1/processes/${sent.headers.get("sticky-process-id")}`,
      );
      expect(await view.json()).to.include({ status: "completed" });
    }
  });

  it("Connection takes away no field that the configuration names, on a replica or through HAProxy", async () => {
    upstream.respond((request, response) => {
      const account = request.headers.get("x-account") ?? "nobody";
      const country = request.headers.get("x-country") ?? "nowhere";
      response.writeHead(200, { "Cache-Control": "max-age=60" }).end(`${account} in ${country}`);
    });
    for (const [i, url] of [cluster.url(0), balanced()].entries()) {
      const raw = (head: string) =>
        RawClient.exchange(Number(new URL(url).port), `${head}Content-Length: 0\r\n\r\n`);
      const basket = `/accounts/basket-${i}`;
      const put = await raw(
        `PUT ${basket} HTTP/1.1\r\nHost: a\r\nIdempotency-Key: b${i}\r\nX-Account: 55\r\nConnection: close, x-account\r\n`,
      );
      expect(put.body, basket).to.equal("55 in nowhere");
      const headers = { "Idempotency-Key": `b${i}`, "X-Account": "55" };
      const again = await fetch(cluster.url(1) + basket, { method: "PUT", headers });
      expect(await again.text()).to.equal("55 in nowhere");
      const terms = `/accounts/terms-${i}`;
      const got = await raw(
        `GET ${terms} HTTP/1.1\r\nHost: a\r\nX-Country: pt\r\nConnection: close, x-country\r\n`,
      );
      expect(got.body, terms).to.equal("nobody in pt");
      expect(await (await fetch(cluster.url(1) + terms)).text()).to.equal("nobody in nowhere");
    }
  });

  it("a job of ten times its lease runs once, although it is polled and submitted again all the while", async () => {
    const ended = Promise.withResolvers<void>();
    upstream.respond((_request, response) => {
      setTimeout(() => {
        response.end("long");
        ended.resolve();
      }, 10_000);
    });
    const send = (i: number) =>
      fetch(`${cluster.url(i)}/payments/long`, {
        method: "POST",
        headers: { "Idempotency-Key": "long" },
        body: "{}",
      });
    const first = send(0);
    await upstream.arrived(1);
    const id = upstream.last.headers.get("sticky-process-id")!;
    const joined: Promise<Response>[] = [];
    let isOver = false;
    void ended.promise.then(() => (isOver = true));
    for (let i = 0; !isOver; i += 1) {
      if (i % 5 === 0) joined.push(send(i));
      const view = (await (await fetch(`${cluster.url(i)}/_sticky/v1/processes/${id}`)).json()) as {
        status: string;
        attempt: number;
      };
      if (!isOver) expect(view).to.include({ attempt: 1 });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const texts = await Promise.all([first, ...joined].map(async (one) => (await one).text()));
    expect(new Set(texts)).to.deep.equal(new Set(["long"]));
    expect(joined.length).to.be.greaterThan(5);
    expect(upstream.requests).to.have.length(1);
  });

  /** Starts `path` on a proxy of its own and kills that proxy in the middle; returns the process's id. */
  async function killOwner(path: string, key: string): Promise<string> {
    const victim = await cluster.startProxy();
    upstream.respond(() => undefined);
    const cut = fetch(victim.url + path, {
      method: "POST",
      headers: { "Idempotency-Key": key },
      body: "{}",
    }).catch(() => null);
    await upstream.arrived(1);
    const id = upstream.last.headers.get("sticky-process-id")!;
    upstream.respond((_request, response) => response.end("second run"));
    await victim.kill("SIGKILL");
    await cut;
    cluster.proxies.pop();
    return id;
  }
  async function ended(id: string): Promise<Record<string, unknown>> {
    for (;;) {
      const answer = await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}`, {
        headers: { Prefer: "wait=10" },
      });
      const view = (await answer.json()) as Record<string, unknown>;
      if (view["done"] === true) return view;
    }
  }

  it("a killed proxy's process is failed by the sweeper after the lease and its failure replayed (onUnknown fail)", async () => {
    const id = await killOwner("/payments/long", "killed-1");
    const view = await ended(id);
    expect(view).to.include({ status: "failed" });
    expect(view["outcome"]).to.deep.include({ executed: "unknown" });
    const again = await fetch(`${cluster.url(2)}/payments/long`, {
      method: "POST",
      headers: { "Idempotency-Key": "killed-1" },
      body: "{}",
    });
    expect(again.status).to.equal(502);
    expect(await again.json()).to.include({ type: "/_sticky/problems/execution-lost", executed: "unknown" });
    expect(upstream.requests).to.have.length(1);
  });

  it("… or released, so that the next identical request runs (onUnknown release)", async () => {
    const id = await killOwner("/payments/released", "killed-2");
    expect(await ended(id)).to.include({ status: "failed" });
    const again = await fetch(`${cluster.url(2)}/payments/released`, {
      method: "POST",
      headers: { "Idempotency-Key": "killed-2" },
      body: "{}",
    });
    expect(await again.text()).to.equal("second run");
  });

  it("… or sent again by the sweeper with a higher fence and attempt (onUnknown retry)", async () => {
    const id = await killOwner("/robust/x", "killed-3");
    const first = upstream.last.headers;
    expect(await ended(id)).to.include({ status: "completed", attempt: 2 });
    const second = upstream.last.headers;
    expect(second.get("sticky-attempt")).to.equal("2");
    expect(Number(second.get("sticky-fence"))).to.be.greaterThan(Number(first.get("sticky-fence")));
    expect(second.get("idempotency-key")).to.equal(first.get("idempotency-key"));
    const replay = await fetch(`${cluster.url(0)}/robust/x`, {
      method: "POST",
      headers: { "Idempotency-Key": "killed-3" },
      body: "{}",
    });
    expect(await replay.text()).to.equal("second run");
    expect(upstream.requests).to.have.length(2);
  });

  it("404 problem for an unknown service; plain traffic goes through", async () => {
    const answer = await fetch(`${balanced()}/nowhere/x`);
    expect(answer.status).to.equal(404);
    expect(await answer.json()).to.include({ type: "/_sticky/problems/service-not-found", executed: "no" });
    expect(await (await fetch(`${balanced()}/plain/x`)).text()).to.equal("done");
  });

  it("takes an instance that fails its health checks out everywhere, and brings it back", async () => {
    const answers = new Set<string>();
    const metric = async (i: number, instance: string): Promise<string | undefined> =>
      new RegExp(`instance_state\\{service="checked",instance="${instance}"\\} (\\d)`).exec(
        await (await fetch(`${cluster.proxies[i]!.opsUrl}/metrics`)).text(),
      )?.[1];
    const until = async (value: string): Promise<void> => {
      for (let i = 0; i < 3; i += 1) while ((await metric(i, "sick")) !== value) await pause();
    };
    await until("0");
    for (let i = 0; i < 12; i += 1) answers.add(await (await fetch(`${cluster.url(i)}/checked/x`)).text());
    expect(answers).to.deep.equal(new Set(["well"]));
    const swept = Array.from({ length: 12 }, (_, i) =>
      fetch(`${cluster.url(i)}/checked/again`, {
        method: "POST",
        headers: { "Idempotency-Key": `again-${i}` },
      }),
    );
    for (const answer of await Promise.all(swept)) expect(await answer.text()).to.equal("well");
    isWell = false;
    for (let i = 0; i < 3; i += 1) while ((await metric(i, "well")) !== "0") await pause();
    const none = await fetch(`${cluster.url(1)}/checked/x`);
    expect(none.status).to.equal(503);
    expect(none.headers.get("retry-after")).to.match(/^\d+$/);
    expect(await none.json()).to.include({ type: "/_sticky/problems/service-unavailable", executed: "no" });
    isWell = isSick = true;
    await until("1");
    const both = new Set<string>();
    while (both.size < 2) both.add(await (await fetch(`${cluster.url(0)}/checked/x`)).text());
  });

  it("ops: alive, ready, and metrics that count what happened", async () => {
    for (const node of [...cluster.proxies, ...cluster.sweepers]) {
      expect((await fetch(`${node.opsUrl}/livez`)).status).to.equal(200);
      expect((await fetch(`${node.opsUrl}/readyz`)).status).to.equal(200);
    }
    const texts = await Promise.all(
      cluster.proxies.map(async (node) => (await fetch(`${node.opsUrl}/metrics`)).text()),
    );
    const started = texts
      .flatMap((text) => [
        ...text.matchAll(/sticky_proxy_verdicts_total\{service="payments",verdict="start"\} (\d+)/g),
      ])
      .reduce((sum, match) => sum + Number(match[1]), 0);
    expect(started).to.be.at.least(1);
  });

  it("logs are JSON lines with the request's id, and hold neither keys nor tokens", async () => {
    const answer = await fetch(`${cluster.url(0)}/payments/x?token=querysecret`, {
      method: "POST",
      headers: { "Idempotency-Key": "logged-key", Authorization: "Bearer headersecret" },
      body: '{"card":"bodysecret"}',
    });
    const id = answer.headers.get("x-request-id")!;
    await answer.text();
    let line: string | undefined;
    while (line === undefined) {
      line = cluster.proxies[0]!.log()
        .split("\n")
        .find((text) => text.includes(id));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(JSON.parse(line)).to.include({ msg: "request", service: "payments", status: 200 });
    const everything = cluster.proxies[0]!.log();
    for (const secret of ["logged-key", "querysecret", "headersecret", "bodysecret"]) {
      expect(everything).not.to.contain(secret);
    }
  });
});
