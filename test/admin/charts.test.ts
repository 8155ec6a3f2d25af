/** Charts without Prometheus: what the gateway answers stands in the series, the panel draws it, and a table says the same. */
import { bucketStart } from "@sticky-proxy/core/series";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { until } from "../support/until.ts";
import { logIn, startAdminGateway, type AdminClient, type AdminGateway } from "./gateway.ts";

interface Series {
  readonly step: number;
  readonly from: string;
  readonly lastStep: number;
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
  readonly totals: Readonly<Record<string, number | null>>;
}

describe("charts", function () {
  this.timeout(120_000);
  let gateway: AdminGateway;
  let client: AdminClient;

  before(async () => {
    gateway = await startAdminGateway({
      services: (origin) => ({
        pay: {
          instances: [origin],
          routes: [
            { match: { path: "/cached", methods: ["GET"] }, cache: { defaultTtlMs: 60_000 } },
            { match: { path: "/charges" }, process: { identity: "key" } },
          ],
        },
        idle: { instances: [origin] },
      }),
      service(request, response) {
        request.resume();
        response.statusCode = request.url === "/broken" ? 500 : 200;
        response.end("done");
      },
    });
    client = await logIn(gateway.adminUrl, gateway.firstToken);
    const pay = (key: string) =>
      fetch(`${gateway.url}/pay/charges`, {
        method: "POST",
        headers: { "idempotency-key": key },
        body: "{}",
      });
    for (const key of ["a", "b", "a", "a"]) await pay(key);
    for (let i = 0; i < 3; i += 1) await fetch(`${gateway.url}/pay/cached/x`);
    await fetch(`${gateway.url}/pay/broken`);
    await fetch(`${gateway.url}/pay/plain`);
  });
  after(() => gateway?.stop());

  async function read(query: string): Promise<Series> {
    const answer = await client.get(`/series${query}`);
    expect(answer.status).to.equal(200);
    return (await answer.json()) as Series;
  }
  const written = (query: string): Promise<Series> =>
    until(async () => {
      const found = await read(query);
      return (found.totals["requests"] ?? 0) >= 9 ? found : null;
    });

  it("every request is in the series once, split by what became of it", async () => {
    const { totals, series, step } = await written("?service=pay");
    expect(step).to.equal(10_000);
    expect(totals).to.include({
      requests: 9,
      "requests.run": 2,
      "requests.saved": 2,
      "requests.cache": 2,
      "requests.plain": 3,
      "errors.server": 1,
      "errors.client": 0,
      "cache.requests": 3,
      "cache.hits": 2,
      "processes.started": 2,
      "processes.completed": 2,
      attempts: 5,
      "attempts.failed": 1,
    });
    expect(totals["service.p95"]).to.be.greaterThan(0);
    const sum = series["requests"]!.reduce<number>((all, one) => all + (one ?? 0), 0);
    expect(sum, "the points are what the total says").to.equal(9);
    expect(series["requests"]![0], "before the start there is no data").to.equal(null);
  });

  it("a service that does nothing has zeros, and the sum of all holds what each has", async () => {
    await written("?service=pay");
    const { totals } = await read("?service=idle");
    expect(totals["requests"]).to.equal(0);
    expect((await read("")).totals["requests.saved"]).to.equal(2);
  });

  it("every range answers; what is asked for wrongly is refused and named", async () => {
    await written("?service=pay");
    for (const range of ["15m", "1h", "6h", "24h", "7d"]) {
      const { series, totals, from, step, lastStep } = await read(
        `?range=${range}&names=requests,mirror.lag`,
      );
      expect(Object.keys(series)).to.deep.equal(["requests", "mirror.lag"]);
      expect(series["requests"]!.length, range).to.be.within(60, 90);
      expect(Date.parse(from)).to.equal(bucketStart(Date.parse(from), step));
      expect(lastStep).to.be.within(1, step);
      expect(totals["requests"], range).to.be.at.least(9);
    }
    for (const [query, status, said] of [
      ["?range=2h", 400, "range"],
      ["?names=requests,nothing", 400, 'there is no series "nothing"'],
      ["?names=", 400, "names"],
      ["?service=missing", 404, ""],
      ["?service=pay&service=idle", 400, "service is given twice"],
      ["?since=1h", 400, 'no member "since"'],
    ] as const) {
      const answer = await client.get(`/series${query}`);
      expect(answer.status, query).to.equal(status);
      expect(answer.headers.get("content-type")).to.equal("application/problem+json");
      expect(JSON.stringify(await answer.json())).to.contain(JSON.stringify(said).slice(1, -1));
    }
    expect((await fetch(`${gateway.adminUrl}/api/v1/series`)).status).to.equal(401);
  });

  describe("in a browser", () => {
    let browser: TestBrowser;
    let page: Page;
    const faults: string[] = [];
    before(async () => {
      await written("?service=pay");
      browser = await startBrowser();
      page = await browser.context.newPage();
      page.setDefaultTimeout(30_000);
      page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
      page.on("console", (message) => {
        if (/Content Security Policy|Refused to/.test(message.text())) faults.push(message.text());
      });
      const made = await client.send("POST", "/tokens", {
        name: "eyes",
        role: "viewer",
        reason: "for the test",
      });
      const { secret } = (await made.json()) as { secret: string };
      await page.goto(`${gateway.adminUrl}/login#token=${secret}`);
      await page.waitForSelector("h1:has-text('Overview')");
    });
    afterEach(() => expect(faults.splice(0)).to.deep.equal([]));
    after(() => browser?.close());

    /** Colours that the chart has painted. */
    const painted = (title: string): Promise<number> =>
      page.evaluate(`{
        const card = [...document.querySelectorAll(".card")].find((one) => one.querySelector("h2").textContent === ${JSON.stringify(title)});
        const canvas = card?.querySelector("canvas");
        if (canvas == null) 0;
        else {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const colours = new Set();
          for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colours.add(data[i] << 16 | data[i + 1] << 8 | data[i + 2]);
          colours.size;
        }
      }`);
    const drawn = (title: string): Promise<true> =>
      until(async () => ((await painted(title)) > 0 ? true : null));

    for (const path of ["/", "/services/pay", "/services"])
      it(`${path} draws them under the strict policy, and the table says the same in words`, async () => {
        await page.goto(gateway.adminUrl + path);
        await drawn("Requests by outcome");
        const card = page.locator(".card", { has: page.locator("h2:text-is('Requests by outcome')") });
        expect(await card.locator(".legend").textContent()).to.match(/replayed or joined 2/);
        await card.locator("summary").press("Enter");
        const rows = await card.locator("table tbody tr").allTextContents();
        expect(rows).to.have.length(90);
        expect(rows.at(-1)).to.match(/^\d\d:\d\d:\d\d(no data){5}$/);
        expect(rows.some((row) => /0\.[12]\/s/.test(row))).to.equal(true);
      });

    it("the range is in the address, holds after a reload, and another service is another address", async () => {
      await page.goto(`${gateway.adminUrl}/services/pay`);
      await page.click("text=24h");
      await page.waitForURL(/\/services\/pay\?range=24h$/);
      await page.reload();
      await page.waitForSelector("button[aria-pressed=true]:text-is('24h')");
      await drawn("Requests by outcome");
      await page.goto(`${gateway.adminUrl}/?range=nonsense`);
      await page.waitForSelector("button[aria-pressed=true]:text-is('15m')");
    });

    it("another theme paints other colours, without a reload", async () => {
      await page.goto(gateway.adminUrl);
      await drawn("Requests by outcome");
      const look = (): Promise<string> => page.evaluate(`document.querySelector("canvas").toDataURL()`);
      const light = await look();
      await page.keyboard.press("t");
      await until(async () => ((await look()) === light ? null : true));
    });

    it("without data each chart says so instead of an empty frame", async () => {
      await page.goto(`${gateway.adminUrl}/services/idle`);
      await page.waitForSelector("text=No copies to a second backend.");
      await page.waitForSelector("text=No service was asked.");
    });
  });
});
