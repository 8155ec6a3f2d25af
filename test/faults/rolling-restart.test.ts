/** Three replicas behind HAProxy restart one after the other under load: nobody notices. */
import { FakeUpstream, type RecordedRequest } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { Redis } from "ioredis";
import { startCluster, type Cluster } from "../support/cluster.ts";
import { report } from "../support/report.ts";

const everyMs = 20;
const drainDelayMs = 2000;
/** Longer than the drain delay: what began just before a replica became unready ends after it has refused new work. */
const slowMs = 2800;

describe("a rolling restart under load", function () {
  this.timeout(60_000);
  let upstream: FakeUpstream;
  let cluster: Cluster;
  const callbacks: Promise<number>[] = [];

  before(async () => {
    upstream = await FakeUpstream.start((request, response) => {
      const text = `for ${request.body.toString()}`;
      if (request.target === "/job") {
        response.writeHead(202).end();
        setTimeout(() => callbacks.push(callBack(request, text)), slowMs);
      } else setTimeout(() => response.end(text), request.target === "/slow" ? slowMs : 30);
    });
    cluster = await startCluster({
      balancer: true,
      config: {
        shutdown: { drainDelayMs },
        services: {
          payments: { instances: [upstream.origin], routes: [{ process: { identity: "key" } }] },
          reports: {
            instances: [upstream.origin],
            routes: [
              {
                process: {
                  identity: "request",
                  completion: "callback",
                  waitMs: 20_000,
                  deadlineMs: 60_000,
                },
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
    await upstream?.close();
  });

  async function callBack(request: RecordedRequest, text: string): Promise<number> {
    const answer = await report(request, { body: text, headers: { "Content-Type": "text/plain" } });
    return answer.status;
  }

  interface Sent {
    readonly what: string;
    readonly body: string;
    readonly status: number;
    readonly text: string;
    readonly location: string | null;
  }
  const kinds = ["/payments/quick", "/payments/slow", "/plain/x", "/reports/job", "/payments/quick"] as const;

  async function send(i: number): Promise<Sent> {
    const what = kinds[i % kinds.length]!;
    const body = `${i}`;
    try {
      const answer = await fetch(cluster.balancer!.url + what, {
        method: "POST",
        headers: { "Content-Type": "text/plain", "Idempotency-Key": `rolling-${i}` },
        body,
      });
      const text = await answer.text();
      return { what, body, status: answer.status, text, location: answer.headers.get("location") };
    } catch (error) {
      return { what, body, status: 0, text: String(error), location: null };
    }
  }

  it("no request fails, held clients get their answer or a 202, every execution happens once, and no lease is left", async () => {
    const sent: Promise<Sent>[] = [];
    const load = setInterval(() => sent.push(send(sent.length)), everyMs);
    const codes: (number | null)[] = [];
    try {
      const before = cluster.proxies.slice(); // the new ones join the list
      for (const old of before) {
        codes.push(await old.kill("SIGTERM"));
        const fresh = await cluster.startProxy(old.place);
        while ((await fetch(`${fresh.opsUrl}/readyz`)).status !== 200);
      }
    } finally {
      clearInterval(load);
    }
    const answers = await Promise.all(sent);
    const failed = answers.filter(({ what, status }) =>
      what === "/reports/job" ? status !== 200 && status !== 202 : status !== 200,
    );
    expect(failed, `of ${answers.length}`).to.deep.equal([]);
    expect(codes).to.deep.equal([0, 0, 0]);
    const later = answers.filter(({ status }) => status === 202);
    for (const { body, text, status } of answers) if (status === 200) expect(text).to.equal(`for ${body}`);
    for (const { location, body } of later) {
      const result = await fetch(`${cluster.balancer!.url}${location}/result`, {
        headers: { Prefer: "wait=20" },
      });
      expect(await result.text()).to.equal(`for ${body}`);
    }
    expect(later.length, "held on a draining replica").to.be.greaterThan(0);
    expect(new Set(await Promise.all(callbacks))).to.deep.equal(new Set([200]));

    const runs = new Map<string, number>();
    for (const { body } of upstream.requests) runs.set(body.toString(), (runs.get(body.toString()) ?? 0) + 1);
    expect([...runs.values()].filter((times) => times !== 1)).to.deep.equal([]);
    expect(runs.size).to.equal(answers.length);

    expect(await leasesLeft()).to.deep.equal([]);
    process.stderr.write(
      `      rolling restart: ${answers.length} requests, ${later.length} of them told 202, none failed\n`,
    );
  });

  /** Records that still name an owner, or have not ended. */
  async function leasesLeft(): Promise<string[]> {
    const redis = new Redis(cluster.redis.url);
    try {
      const left: string[] = [];
      for await (const keys of redis.scanStream({ match: "sp:*:x:*", count: 1000 })) {
        for (const key of keys as string[]) {
          const [owner, status] = await redis.hmget(key, "owner", "status");
          if (owner !== null || status !== "completed") left.push(`${key} ${owner} ${status}`);
        }
      }
      return left;
    } finally {
      redis.disconnect();
    }
  }
});
