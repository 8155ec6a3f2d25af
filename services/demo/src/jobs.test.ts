/** The demo's jobs against a recorder that stands for the gateway. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { readSigningKey, verifyWebhook } from "@sticky-proxy/protocol";
import { expect } from "chai";
import { startDemo } from "./app.ts";
import type { DemoOptions } from "./instance.ts";

interface Received {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

class Recorder {
  readonly received: Received[] = [];
  readonly server: Server;
  url = "";
  reply: (call: Received) => { status: number; body?: string } = () => ({ status: 200 });
  #wanted: { count: number; resolve: () => void } | null = null;

  constructor() {
    this.server = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on("data", (chunk: Buffer) => chunks.push(chunk));
      req.on("end", () => {
        const call = { url: req.url ?? "", headers: req.headers, body: Buffer.concat(chunks).toString() };
        this.received.push(call);
        const { status, body = '{"accepted":true,"cancelRequested":false}' } = this.reply(call);
        res.writeHead(status, { "retry-after": "0" });
        res.end(body, () => {
          if (this.#wanted !== null && this.received.length >= this.#wanted.count) this.#wanted.resolve();
        });
      });
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Resolves when `count` calls have come. */
  calls(count: number): Promise<void> {
    if (this.received.length >= count) return Promise.resolve();
    return new Promise((resolve) => (this.#wanted = { count, resolve }));
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

async function withDemo(
  options: (recorder: Recorder) => Partial<DemoOptions>,
  use: (url: string, recorder: Recorder) => Promise<void>,
): Promise<void> {
  const recorder = new Recorder();
  await recorder.start();
  const demo = await startDemo({ port: 0 }, { name: "job-1", ...options(recorder) });
  try {
    await use(demo.url, recorder);
  } finally {
    await demo.close();
    await recorder.stop();
  }
}

const postJson = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, { method: "POST", body: JSON.stringify(body), headers });

describe("demo slow job", () => {
  const execution = (recorder: Recorder) => ({
    "sticky-callback-url": `${recorder.url}/executions/1.x.1`,
    "sticky-execution": "1.token",
    "sticky-process-id": "1.x.1",
    "sticky-attempt": "2",
  });

  it("a report is answered with 202, and its heartbeats and its result carry the execution token", () =>
    withDemo(
      () => ({}),
      async (url, recorder) => {
        const answer = await postJson(
          `${url}/reports`,
          { title: "Q3", delayMs: 30, heartbeats: 2 },
          execution(recorder),
        );
        expect(answer.status).to.equal(202);
        expect(answer.headers.get("sticky-execution")).to.equal("1.token");
        await recorder.calls(3);
        expect(recorder.received.map((call) => call.url)).to.deep.equal([
          "/executions/1.x.1/heartbeat",
          "/executions/1.x.1/heartbeat",
          "/executions/1.x.1/complete",
        ]);
        expect(recorder.received.every((call) => call.headers["sticky-execution"] === "1.token")).to.equal(
          true,
        );
        expect(JSON.parse(recorder.received[2]!.body)).to.include({ title: "Q3", by: "job-1", attempt: 2 });
      },
    ));

  it("a report that is asked to fail sends problem+json", () =>
    withDemo(
      () => ({}),
      async (url, recorder) => {
        await postJson(`${url}/reports`, { delayMs: 1, heartbeats: 0, fail: true }, execution(recorder));
        await recorder.calls(1);
        expect(recorder.received[0]).to.include({ url: "/executions/1.x.1/fail" });
        expect(recorder.received[0]!.headers["content-type"]).to.equal("application/problem+json");
      },
    ));

  it("a report stops when the response to a heartbeat requests it", () =>
    withDemo(
      () => ({}),
      async (url, recorder) => {
        recorder.reply = () => ({ status: 200, body: '{"accepted":true,"cancelRequested":true}' });
        await postJson(`${url}/reports`, { delayMs: 20, heartbeats: 1 }, execution(recorder));
        await recorder.calls(1);
        const cancelled = async (): Promise<boolean> => {
          const { reports } = (await (await fetch(`${url}/reports`)).json()) as {
            reports: { state: string }[];
          };
          return reports[0]?.state === "cancelled";
        };
        while (!(await cancelled()));
        expect(recorder.received).to.have.length(1);
      },
    ));

  it("a callback is sent again after a 503", () =>
    withDemo(
      () => ({}),
      async (url, recorder) => {
        recorder.reply = () => ({ status: recorder.received.length === 1 ? 503 : 200 });
        await postJson(`${url}/reports`, { delayMs: 1, heartbeats: 0 }, execution(recorder));
        await recorder.calls(2);
        expect(recorder.received.map((call) => call.url)).to.deep.equal([
          "/executions/1.x.1/complete",
          "/executions/1.x.1/complete",
        ]);
      },
    ));

  it("a request without a callback address is refused", () =>
    withDemo(
      () => ({}),
      async (url) => {
        expect((await postJson(`${url}/reports`, {})).status).to.equal(400);
      },
    ));
});

describe("demo job server", () => {
  it("a job posts its result to the address in the request", () =>
    withDemo(
      () => ({}),
      async (url, recorder) => {
        const answer = await postJson(`${url}/jobs`, {
          account: "A-1",
          callback_url: `${recorder.url}/done?sticky=1.abc`,
          delayMs: 1,
        });
        expect(answer.status).to.equal(202);
        expect(answer.headers.has("location")).to.equal(false);
        const { id } = (await answer.json()) as { id: string };
        await recorder.calls(1);
        expect(recorder.received[0]!.url).to.equal("/done?sticky=1.abc");
        expect(JSON.parse(recorder.received[0]!.body)).to.deep.equal({
          id,
          state: "done",
          data: { account: "A-1", balance: 300 },
        });
      },
    ));

  it("a job without a valid account or address is refused", () =>
    withDemo(
      () => ({}),
      async (url) => {
        for (const body of [{}, { account: "" }, { account: 7 }, { account: "a", callback_url: "ftp://x" }])
          expect((await postJson(`${url}/jobs`, body)).status, JSON.stringify(body)).to.equal(422);
        expect(await (await fetch(`${url}/jobs`)).json()).to.include({ count: 0 });
      },
    ));

  it("a job posts a forged result first, its result twice and another one late when it is asked to", () =>
    withDemo(
      () => ({}),
      async (url, recorder) => {
        await postJson(`${url}/jobs`, {
          account: "A-2",
          callback_url: `${recorder.url}/done?sticky=1.abc`,
          delayMs: 0,
          duplicates: 1,
          late: 5,
          forged: true,
        });
        await recorder.calls(4);
        const [forged, result, duplicate, late] = recorder.received;
        expect(forged!.url).to.match(/\?sticky=1\.A{43}$/);
        expect(result!.url).to.equal("/done?sticky=1.abc");
        expect(duplicate!.body).to.equal(result!.body);
        expect(late!.body).to.not.equal(result!.body);
      },
    ));

  it("every job fails at the failure rate 1 and none at 0", () =>
    withDemo(
      () => ({}),
      async (url, recorder) => {
        const job = { callback_url: `${recorder.url}/x`, delayMs: 0 };
        await postJson(`${url}/jobs`, { ...job, account: "a", failureRate: 1 });
        await recorder.calls(1);
        await postJson(`${url}/jobs`, { ...job, account: "a", failureRate: 0 });
        await recorder.calls(2);
        expect(
          recorder.received.map(({ body }) => (JSON.parse(body) as { state: string }).state),
        ).to.deep.equal(["failed", "done"]);
      },
    ));

  it("messages to the fixed address are signed, and a duplicate has the same message id", () => {
    const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
    return withDemo(
      (recorder) => ({ webhook: { url: `${recorder.url}/hook`, token: "shared-token", secret } }),
      async (url, recorder) => {
        await postJson(`${url}/jobs`, { account: "A-3", delayMs: 0, duplicates: 1 });
        await recorder.calls(2);
        const [first, second] = recorder.received;
        expect(first!.headers.authorization).to.equal("Bearer shared-token");
        expect(second!.headers["webhook-id"]).to.equal(first!.headers["webhook-id"]);
        const field = (name: string): string[] => [String(first!.headers[name])];
        const verdict = verifyWebhook(
          {
            id: field("webhook-id"),
            timestamp: field("webhook-timestamp"),
            signature: field("webhook-signature"),
          },
          Buffer.from(first!.body),
          [readSigningKey(secret)!],
          Date.now(),
        );
        expect(verdict.valid).to.equal(true);
      },
    );
  });

  it("a job without an address is polled: 202 with Retry-After, then 200", () =>
    withDemo(
      () => ({}),
      async (url) => {
        const answer = await postJson(`${url}/jobs`, { account: "A-4", delayMs: 1000 });
        const location = answer.headers.get("location") ?? "";
        const first = await fetch(url + location);
        expect(first.status).to.equal(202);
        expect(first.headers.get("retry-after")).to.equal("1");
        let last = first;
        while (last.status === 202) last = await fetch(url + location);
        expect(await last.json()).to.deep.include({ state: "done", data: { account: "A-4", balance: 300 } });
      },
    ));
});

describe("demo flaky job", () => {
  it("a request fails as often as asked for each key, then succeeds", () =>
    withDemo(
      () => ({}),
      async (url) => {
        const call = (key: string) =>
          postJson(`${url}/flaky`, { failures: 2, status: 500, retryAfter: 3 }, { "idempotency-key": key });
        const first = await call("k");
        expect([first.status, first.headers.get("retry-after")]).to.deep.equal([500, "3"]);
        expect((await call("other")).status).to.equal(500);
        expect((await call("k")).status).to.equal(500);
        const third = await call("k");
        expect(third.status).to.equal(200);
        expect(await third.json()).to.deep.equal({ key: "k", attempts: 3 });
      },
    ));
});
