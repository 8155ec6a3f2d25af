import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { report } from "../support/report.ts";

/** A page of another origin. Same address, other port: an origin of its own, but of the same site. */
async function startPages(): Promise<{ server: Server; origin: string }> {
  const server = createServer((_request, response) =>
    response.writeHead(200, { "Content-Type": "text/html" }).end("<title>a page</title>"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

describe("pages of other origins in a real browser", function () {
  this.timeout(60_000);
  let upstream: FakeUpstream;
  let ours: { server: Server; origin: string };
  let strange: { server: Server; origin: string };
  let gateway: Nodes;
  let browser: TestBrowser;
  let page: Page;
  let stranger: Page;
  before(async () => {
    upstream = await FakeUpstream.start();
    [ours, strange] = await Promise.all([startPages(), startPages()]);
    gateway = await startNodes({
      yaml: `
cors: { origins: ["${ours.origin}"] }
services:
  reports:
    instances: [${upstream.origin}]
    cors: { origins: ["${ours.origin}"], exposeHeaders: [X-Pages] }
    routes:
      - match: { methods: [POST], path: /keyed }
        process: { identity: key }
      - process: { identity: request, completion: callback }
  open:
    instances: [${upstream.origin}]
    routes:
      - process: { identity: key }
`,
    });
    browser = await startBrowser();
    page = await browser.context.newPage();
    await page.goto(ours.origin);
    stranger = await browser.context.newPage();
    await stranger.goto(strange.origin);
  });
  after(async () => {
    await browser?.close();
    await gateway.close();
    await upstream.close();
    for (const { server } of [ours, strange]) {
      server.close();
      server.closeAllConnections();
    }
  });
  beforeEach(() => {
    upstream.requests.length = 0;
    upstream.respond((_request, response) => response.writeHead(202).end());
  });

  interface Answer {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly text: string;
  }
  interface Call {
    readonly method?: string;
    readonly mode?: "no-cors";
    readonly headers?: Record<string, string>;
    readonly body?: string;
  }
  /** What a script of the page may read of the answer; a text: what fetch rejected with. */
  function ask(from: Page, path: string, init: Call = {}): Promise<Answer | string> {
    return from.evaluate(
      async ({ url, options }) => {
        try {
          const answer = await fetch(url, options);
          const headers = Object.fromEntries(answer.headers);
          return { status: answer.status, headers, text: await answer.text() };
        } catch (error) {
          return String(error);
        }
      },
      { url: gateway.url() + path, options: init },
    );
  }
  const json = { "Content-Type": "application/json" };
  const refused = "TypeError: Failed to fetch";

  it("a page of an allowed origin submits, polls, and reads the result", async () => {
    const begun = (await ask(page, "/reports/yearly", {
      method: "POST",
      headers: json,
      body: "{}",
    })) as Answer;
    expect(begun.status).to.equal(202);
    expect(begun.headers).to.include.keys("location", "retry-after", "sticky-process-id", "sticky-owner");
    const at = new URL(begun.headers["location"]!, gateway.url()).pathname;
    expect(((await ask(page, at)) as Answer).text).to.contain('"status":"in-progress"');
    await report(upstream.last, { body: '{"pages":2}' });
    const status = (await ask(page, at, { headers: { Prefer: "wait=5" } })) as Answer;
    expect(JSON.parse(status.text)).to.include({ status: "completed" });
    expect(((await ask(page, `${at}/result`)) as Answer).text).to.equal('{"pages":2}');
    const again = (await ask(page, `${at}/rerun`, {
      method: "POST",
      headers: { "Sticky-Owner": begun.headers["sticky-owner"]! },
    })) as Answer;
    expect(again.status).to.equal(202);
  });

  it("it reads problems, and what the service's answer says besides", async () => {
    const missing = (await ask(page, "/reports/keyed", {
      method: "POST",
      headers: json,
      body: "{}",
    })) as Answer;
    expect(missing.status).to.equal(400);
    expect(JSON.parse(missing.text)).to.include({ type: "/_sticky/problems/idempotency-key-missing" });
    upstream.respond((_request, response) => response.writeHead(201, { "X-Pages": "7" }).end("made"));
    const made = (await ask(page, "/reports/keyed", {
      method: "POST",
      headers: { ...json, "Idempotency-Key": "k1" },
      body: "{}",
    })) as Answer;
    expect(made).to.deep.include({ status: 201, text: "made" });
    expect(made.headers["x-pages"]).to.equal("7");
    expect(
      upstream.requests.map(({ method }) => method),
      "no preflight reached the service",
    ).to.deep.equal(["POST"]);
  });

  it("a page of another origin may neither send, nor read, nor change anything", async () => {
    const begun = (await ask(page, "/reports/mine", { method: "POST", headers: json, body: "{}" })) as Answer;
    const at = new URL(begun.headers["location"]!, gateway.url()).pathname;
    upstream.requests.length = 0;
    expect(await ask(stranger, "/reports/mine", { method: "POST", headers: json, body: "{}" })).to.equal(
      refused,
    );
    expect(await ask(stranger, at)).to.equal(refused);
    // Without a preflight and without a need to read: what a form could send.
    await ask(stranger, `${at}/rerun`, { method: "POST", mode: "no-cors" });
    await ask(stranger, `${at}/cancel`, { method: "POST", mode: "no-cors" });
    expect(upstream.requests).to.be.empty;
    expect(((await ask(page, at)) as Answer).text).to.contain('"status":"in-progress"');
  });

  it("without a policy the service answers preflights itself, and no process comes of them", async () => {
    upstream.respond((request, response) => {
      response.setHeader("Access-Control-Allow-Origin", ours.origin);
      response.setHeader("Access-Control-Allow-Headers", "idempotency-key");
      response.setHeader("Access-Control-Allow-Methods", "PUT");
      response
        .writeHead(request.method === "OPTIONS" ? 204 : 200)
        .end(request.method === "OPTIONS" ? "" : "put");
    });
    const put = await ask(page, "/open/basket", { method: "PUT", headers: { "Idempotency-Key": "b1" } });
    expect(put).to.include({ status: 200, text: "put" });
    expect(upstream.requests.map(({ method }) => method)).to.deep.equal(["OPTIONS", "PUT"]);
    expect(upstream.requests[0]!.headers.has("sticky-process-id")).to.equal(false);
  });
});
