/** A synchronous front for asynchronous backends: the demo's job server behind three proxies and a balancer. */
import { startDemo, type Demo } from "@sticky-proxy/demo";
import { FakeUpstream, type RecordedRequest } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { signWebhook, readSigningKey } from "@sticky-proxy/protocol";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { freePorts } from "../support/ports.ts";
import { until } from "../support/until.ts";

const sharedToken = "a-token-that-only-the-job-server-knows";
const signingSecret = `whsec_${Buffer.alloc(32, 6).toString("base64")}`;

interface Job {
  readonly id: string;
  readonly account: string;
  readonly state: string;
}

/** The last lines of a log are on their way. */
const turnOfLogs = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 100));

describe("a synchronous front over three proxies behind HAProxy", function () {
  this.timeout(60_000);
  let demo: Demo;
  let fixed: Demo;
  let own: FakeUpstream;
  let cluster: Cluster;

  before(async () => {
    demo = await startDemo({ port: 0 }, { name: "jobs" });
    own = await FakeUpstream.start();
    const [fixedPort] = await freePorts(1);
    const accept = {
      status: "/state",
      completed: ["done"],
      failed: ["failed"],
      result: "/data",
      error: "/error",
      jobId: { response: "/id", callback: "/id" },
    };
    const held = { identity: "request", completion: "callback", waitMs: 30_000, deadlineMs: 60_000 };
    const correlate = { response: "/id", callback: "/id" };
    cluster = await startCluster({
      balancer: true,
      config: {
        sweeper: { tickMs: 100 },
        services: {
          sync: {
            instances: [demo.url],
            routes: [
              {
                match: { methods: ["POST"] },
                bodySchema: {
                  type: "object",
                  required: ["account"],
                  properties: { account: { type: "string", minLength: 1, maxLength: 64 } },
                },
                process: { ...held, callback: { inject: { json: "/callback_url" }, accept } },
              },
            ],
          },
          elsewhere: {
            instances: [own.origin],
            routes: [
              {
                match: { path: "/by-query" },
                process: { ...held, callback: { inject: { query: "notify" }, accept } },
              },
              {
                match: { path: "/by-header" },
                process: { ...held, callback: { inject: { header: "X-Callback" }, accept } },
              },
            ],
          },
          fixed: {
            instances: [`http://127.0.0.1:${fixedPort}`],
            callbackAuth: { sharedToken, secrets: [signingSecret] },
            routes: [{ process: { ...held, callback: { accept, correlate } } }],
          },
        },
      },
    });
    fixed = await startDemo(
      { port: fixedPort! },
      {
        name: "fixed",
        webhook: {
          url: `${cluster.balancer!.url}/_sticky/v1/callbacks/fixed`,
          token: sharedToken,
          secret: null,
        },
      },
    );
  });
  after(async () => {
    await cluster?.stop();
    await Promise.all([demo?.close(), fixed?.close(), own?.close()]);
  });
  beforeEach(() => {
    own.requests.length = 0;
  });

  function send(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(cluster.balancer!.url + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  }
  const submit = (body: object, headers: Record<string, string> = {}): Promise<Response> =>
    send("/sync/jobs", body, headers);
  async function jobsOf(account: string, at = demo): Promise<Job[]> {
    const answer = await fetch(`${at.url}/jobs?account=${account}`);
    return ((await answer.json()) as { jobs: Job[] }).jobs;
  }
  async function callbacksOf(account: string, count: number, at = demo): Promise<string[]> {
    const [job] = await jobsOf(account, at);
    return until(async () => {
      const answer = await fetch(`${at.url}/jobs/${job!.id}/callbacks`);
      const posted = (await answer.json()) as { kind: string; status: number }[];
      return posted.length >= count ? posted.map(({ kind, status }) => `${kind} ${status}`) : null;
    });
  }

  it("1,000 held requests each get their own job's result, most callbacks landing elsewhere", async () => {
    const accounts = Array.from({ length: 1000 }, (_, i) => `account-${i}`);
    const ids = new Map<string, string>();
    const waiting = accounts.values();
    async function client(): Promise<void> {
      for (const account of waiting) {
        const answer = await submit({ account, delayMs: 20 });
        expect([answer.status, await answer.json()], account).to.deep.equal([
          200,
          { account, balance: account.length * 100 },
        ]);
        ids.set(answer.headers.get("sticky-process-id")!, account);
      }
    }
    await Promise.all(Array.from({ length: 200 }, client));
    expect(ids.size).to.equal(1000);
    const all = (await (await fetch(`${demo.url}/jobs`)).json()) as { count: number; jobs: Job[] };
    expect(new Set(all.jobs.map((job) => job.account)).size).to.equal(1000);
    expect(all.count).to.equal(1000);

    // From the access logs: which replica held the client, and on which one the job's callback landed.
    const holders = new Map<string, number>();
    const landings = new Map<string, number>();
    await until(() => {
      cluster.proxies.forEach((node, i) => {
        for (const text of node.log().split("\n")) {
          const held = /"path":"\/sync\/jobs".*"process_id":"([^"]+)"/.exec(text)?.[1];
          if (held !== undefined) holders.set(held, i);
          const landed = /"path":"\/_sticky\/v1\/executions\/([^/"]+)\/complete"/.exec(text)?.[1];
          if (landed !== undefined) landings.set(landed, i);
        }
      });
      return [...ids.keys()].every((id) => holders.has(id) && landings.has(id));
    }, turnOfLogs);
    const elsewhere = [...ids.keys()].filter((id) => landings.get(id) !== holders.get(id));
    // Three replicas, balanced by load: about two of three land on another one.
    expect(elsewhere.length).to.be.greaterThan(300);
    expect(new Set(holders.values()).size).to.equal(3);
  });

  it("a failed job is the held client's answer, with the backend's words", async () => {
    const answer = await submit({ account: "refused", failureRate: 1 });
    expect(answer.status).to.equal(502);
    expect(answer.headers.get("sticky-source")).to.equal("service");
    expect(await answer.json()).to.equal("account refused was refused");
  });

  it("forged 401, duplicates acknowledged, late 409; the client has the true result and keeps it", async () => {
    const body = { account: "misused", forged: true, duplicates: 2, late: 10 };
    const first = await submit(body);
    const result = { account: "misused", balance: 700 };
    expect(await first.json()).to.deep.equal(result);
    expect(await callbacksOf("misused", 5)).to.deep.equal([
      "forged 401",
      "result 200",
      "duplicate 200",
      "duplicate 200",
      "late 409",
    ]);
    const id = first.headers.get("sticky-process-id")!;
    const page = await fetch(`${cluster.url(2)}/_sticky/v1/processes/${id}/result`);
    expect(await page.json()).to.deep.equal(result);
    const again = await submit(body);
    expect([again.headers.get("idempotent-replayed"), await again.json()]).to.deep.equal(["true", result]);
    expect(await jobsOf("misused")).to.have.length(1);
  });

  it("at the end of the hold: 202 and Location; the result by poll on another replica", async () => {
    const accepted = await submit({ account: "slow", delayMs: 1500 }, { Prefer: "wait=1" });
    expect(accepted.status).to.equal(202);
    expect(accepted.headers.get("retry-after")).to.match(/^\d+$/);
    const location = accepted.headers.get("location")!;
    const result = await fetch(`${cluster.url(1)}${location}/result`, { headers: { Prefer: "wait=20" } });
    expect([result.status, await result.json()]).to.deep.equal([200, { account: "slow", balance: 400 }]);
  });

  it("refuses a missing or invalid account before anything is enqueued", async () => {
    const before = ((await (await fetch(`${demo.url}/jobs`)).json()) as { count: number }).count;
    for (const [body, status] of [
      [{}, 422],
      [{ account: "" }, 422],
      [{ account: 7 }, 422],
      [{ account: null }, 422],
      [["account"], 422],
    ] as const) {
      const answer = await send("/sync/jobs", body);
      expect(answer.status, JSON.stringify(body)).to.equal(status);
      expect(answer.headers.has("sticky-process-id")).to.equal(false);
      expect(await answer.json()).to.include({ executed: "no" });
    }
    const twice = await fetch(`${cluster.url(1)}/sync/jobs`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: '{"account":"a","account":"b"}',
    });
    expect(twice.status).to.equal(400);
    const after = ((await (await fetch(`${demo.url}/jobs`)).json()) as { count: number }).count;
    expect(after).to.equal(before);
  });

  for (const [path, read] of [
    [
      "/elsewhere/by-query?mode=fast",
      (sent: RecordedRequest) => new URL(sent.target, own.origin).searchParams.get("notify"),
    ],
    ["/elsewhere/by-header", (sent: RecordedRequest) => sent.headers.get("x-callback") ?? null],
  ] as const)
    it(`the callback address goes into the ${path.includes("query") ? "query" : "header"}, and another job's id is refused there`, async () => {
      own.respond((_request, response) => response.writeHead(201).end('{"id": 41}'));
      const held = send(path, { run: path });
      await own.arrived(1);
      const sent = own.last;
      const address = read(sent)!;
      expect(address.startsWith(`${cluster.balancer!.url}/_sticky/v1/executions/`)).to.equal(true);
      if (path.includes("query")) expect(sent.target).to.contain("mode=fast&");
      const id = sent.headers.get("sticky-process-id")!;
      await until(async () => {
        const view = await fetch(`${cluster.url(1)}/_sticky/v1/processes/${id}`);
        return ((await view.json()) as { phase: string }).phase === "awaiting-callback";
      });
      const report = async (body: unknown): Promise<number> =>
        (await fetch(address, { method: "POST", body: JSON.stringify(body) })).status;
      expect(await report({ id: 42, state: "done", data: "not yours" })).to.equal(409);
      expect(await report({ state: "done", data: "whose?" })).to.equal(409);
      expect(await report({ id: 41 })).to.equal(422);
      expect(await report({ id: 41, state: "half-way" })).to.equal(200);
      expect(await report({ id: 41, state: "done", data: { yours: true } })).to.equal(200);
      expect(await (await held).json()).to.deep.equal({ yours: true });
    });

  it("a word on the way counts as a sign of life, and hears of a cancel", async () => {
    own.respond((_request, response) => response.writeHead(202).end('{"id": "7"}'));
    const held = await send("/elsewhere/by-header", { run: "beat" }, { Prefer: "respond-async" });
    const location = held.headers.get("location")!;
    await own.arrived(1);
    const address = own.last.headers.get("x-callback")!;
    const report = (state: string) =>
      fetch(address, { method: "POST", body: JSON.stringify({ id: "7", state, data: 1 }) });
    expect((await report("started")).status).to.equal(200);
    const view = await fetch(cluster.url(1) + location);
    expect(((await view.json()) as { heartbeatTime: string | null }).heartbeatTime).to.be.a("string");
    expect((await fetch(`${cluster.url(2)}${location}/cancel`, { method: "POST" })).status).to.equal(200);
    expect(await (await report("going on")).json()).to.include({ cancelRequested: true });
    expect((await report("done")).status).to.equal(409);
  });

  describe("a backend with one fixed webhook address", () => {
    const address = (i: number): string => `${cluster.url(i)}/_sticky/v1/callbacks/fixed`;
    const report = (i: number, body: string, headers: Record<string, string> = {}): Promise<Response> =>
      fetch(address(i), {
        method: "POST",
        headers: { "Content-Type": "application/json", ...headers },
        body,
      });
    const bearer = { Authorization: `Bearer ${sharedToken}` };

    it("is correlated by the job's id; forged, repeated and late webhooks change nothing", async () => {
      const accounts = Array.from({ length: 50 }, (_, i) => `fixed-${i}`);
      const answers = await Promise.all(
        accounts.map(async (account, i) => {
          const extra = i === 0 ? { forged: true, duplicates: 1, late: 10 } : {};
          return (await send("/fixed/jobs", { account, delayMs: 1, ...extra })).json();
        }),
      );
      expect(answers).to.deep.equal(accounts.map((account) => ({ account, balance: account.length * 100 })));
      expect(await callbacksOf("fixed-0", 4, fixed)).to.deep.equal([
        "forged 401",
        "result 200",
        "duplicate 200",
        "late 409",
      ]);
    });

    it("takes a signature in place of the token", async () => {
      const held = send("/fixed/jobs", { account: "signed", delayMs: 60_000 });
      const [job] = await until(async () => {
        const jobs = await jobsOf("signed", fixed);
        return jobs.length === 1 ? jobs : null;
      });
      const body = JSON.stringify({ id: job!.id, state: "done", data: "by signature" });
      const sign = (secret: string) =>
        signWebhook("m1", Buffer.from(body), [readSigningKey(secret)!], Date.now()) as unknown as Record<
          string,
          string
        >;
      const stranger = `whsec_${Buffer.alloc(32, 1).toString("base64")}`;
      expect((await report(1, body, sign(stranger))).status).to.equal(401);
      expect(
        (
          await until(async () => {
            const answer = await report(1, body, sign(signingSecret));
            return answer.status === 503 ? null : answer;
          })
        ).status,
      ).to.be.oneOf([200, 202]);
      expect(await (await held).json()).to.equal("by signature");
    });

    it("keeps a webhook for an unknown job for its sender's first 10 s, and refuses its repeats afterwards", async () => {
      const unknown = '{"id":"nobody-knows","state":"done"}';
      const startedAt = performance.now();
      const early = await report(0, unknown, bearer);
      expect(early.status).to.equal(202);
      const last = await until(
        async () => {
          const answer = await report(0, unknown, bearer);
          return answer.status === 202 ? null : answer;
        },
        () => new Promise((resolve) => setTimeout(resolve, 200)),
      );
      expect(last.status).to.equal(401);
      expect(performance.now() - startedAt).to.be.greaterThan(9000);
      // Whoever has no credential is told nothing about jobs.
      expect((await report(0, unknown)).status).to.equal(401);
    });

    it("an authentic webhook that names no job, names it twice or cannot be read is told so", async () => {
      expect((await report(0, '{"id":"a","id":"b","state":"done"}', bearer)).status).to.equal(422);
      expect((await report(0, "{", bearer)).status).to.equal(400);
      expect((await report(0, "[]", bearer)).status).to.equal(422);
    });
  });
});
