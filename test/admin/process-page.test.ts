/** The page of one process in a real browser: its attempts, what was reported and refused, and who acted on it. */
import { expect } from "chai";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { until } from "../support/until.ts";
import { startAdminGateway, type AdminGateway } from "./gateway.ts";

const screenshots = process.env["STICKY_SCREENSHOTS"]; // a folder: the page is painted into it

describe("the page of a process in a browser", function () {
  this.timeout(90_000);
  let gateway: AdminGateway;
  let browser: TestBrowser;
  let page: Page;
  let asked = 0;
  let callback = { url: "", token: "" };

  before(async () => {
    gateway = await startAdminGateway({
      services: (origin) => ({
        work: {
          instances: [origin],
          routes: [
            {
              match: { path: "/" },
              process: { identity: "key", keepRequest: true },
              retries: { attempts: 5, minMs: 5, maxMs: 20 },
            },
          ],
        },
      }),
      service(request, response) {
        request.resume();
        const { headers, url } = request;
        if (url === "/later") {
          callback = {
            url: String(headers["sticky-callback-url"]),
            token: String(headers["sticky-execution"]),
          };
          response.writeHead(202, { "sticky-execution": callback.token }).end();
          return;
        }
        asked += 1;
        response.writeHead(asked < 5 ? 429 : 201, { "content-type": "application/json" }).end('{"n":1}');
      },
    });
    browser = await startBrowser();
    page = await browser.context.newPage();
    page.setDefaultTimeout(60_000);
    await page.goto(`${gateway.adminUrl}/login#token=${gateway.firstToken}`);
    await page.waitForSelector("h1:has-text('Overview')");
  });
  after(async () => {
    await browser?.close();
    await gateway?.stop();
  });

  /** @returns the process's id */
  async function send(path: string, key: string, prefer = ""): Promise<string> {
    const answer = await fetch(`${gateway.url}/work${path}`, {
      method: "POST",
      headers: {
        "idempotency-key": key,
        "content-type": "application/json",
        ...(prefer === "" ? {} : { prefer }),
      },
      body: "{}",
    });
    return answer.headers.get("sticky-process-id")!;
  }
  /** The timeline's lines as the page shows them, once `event` is among them. */
  async function linesOf(id: string, event: string): Promise<readonly string[]> {
    await page.goto(`${gateway.adminUrl}/processes/${id}`);
    return until(async () => {
      const lines = await page.$$eval("ol.events li", (all) => all.map((line) => line.textContent ?? ""));
      return lines.some((line) => line.includes(event)) ? lines : null;
    });
  }

  it("tells five attempts with status, time taken, instance and replica", async () => {
    const id = await send("/flaky", "five");
    const lines = await linesOf(id, "responded");
    const ends = lines.filter((line) => /backing off|responded/.test(line));
    expect(ends).to.have.length(5);
    for (const line of ends) {
      expect(line).to.match(/took \d/);
      expect(line).to.match(/instance \S+/);
      expect(line).to.match(/node \S+/);
    }
    for (const line of ends.slice(0, 4)) expect(line).to.include("reason 429");
    const bars = await page.$$eval(".waterfall > div", (all) => all.map((bar) => bar.textContent ?? ""));
    expect(bars.filter((bar) => bar.startsWith("attempt"))).to.have.length(5);
    if (screenshots !== undefined) await page.screenshot({ path: `${screenshots}/process-attempts.png` });
  });

  it("tells a forged callback with why and from where, a repeat as duplicate, a later one as late", async () => {
    const id = await send("/later", "later", "respond-async");
    await until(async () => (callback.url === "" ? null : true));
    const report = (token: string, body: string): Promise<Response> =>
      fetch(gateway.url + new URL(callback.url).pathname, {
        method: "POST",
        headers: { "sticky-execution": token, "content-type": "application/json" },
        body,
      });
    expect((await report("1.forged", '{"a":1}')).status).to.equal(401);
    for (const body of ['{"a":1}', '{"a":1}', '{"a":1}'])
      expect((await report(callback.token, body)).status).to.equal(200);
    expect((await report(callback.token, '{"a":2}')).status).to.equal(409);
    const lines = await linesOf(id, "late report");
    const line = (event: string): string => lines.find((one) => one.includes(event)) ?? "";
    expect(line("callback unauthorized")).to.match(/why token-wrong.*action complete.*peer \S*127\.0\.0\.1/);
    expect(line("duplicate report")).to.match(/2 times/);
    expect(line("late report")).to.include("called-back");
  });

  it("tells who ran it again and why", async () => {
    const id = await send("/flaky", "again");
    const status = await page.evaluate(async (url) => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify({ reason: "rate table fixed" });
      return (await fetch(url, { method: "POST", headers, body })).status;
    }, `${gateway.adminUrl}/api/v1/processes/${id}:rerun`);
    expect(status).to.equal(202);
    const lines = await linesOf(id, "operator rerun");
    expect(lines.find((line) => line.includes("operator rerun"))).to.match(
      /actor \S.*reason rate table fixed/,
    );
  });
});
