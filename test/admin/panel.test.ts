/** The panel in a real browser, over a running gateway. Any error, policy violation or foreign request fails the test. */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { until } from "../support/until.ts";
import { startAdminGateway, type AdminGateway } from "./gateway.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const screenshots = process.env["STICKY_SCREENSHOTS"]; // a folder: the pages are painted into it
const pages = [
  "/",
  "/processes",
  "/dead-letters",
  "/cache",
  "/mirror",
  "/services",
  "/replicas",
  "/audit",
  "/config",
];

describe("the panel in a browser", function () {
  this.timeout(90_000);
  let gateway: AdminGateway;
  let browser: TestBrowser;
  let page: Page;
  let faults: string[];

  async function pay(key: string, body = '{"amount":4200}', path = "/pay/charges"): Promise<void> {
    await fetch(`${gateway.url}${path}`, {
      method: "POST",
      headers: { "idempotency-key": key, "content-type": "application/json" },
      body,
    });
  }
  async function open(path: string): Promise<void> {
    await page.goto(gateway.adminUrl + path);
    await page.waitForSelector("h1");
  }
  const rows = (): Promise<string[]> =>
    page.$$eval("table[aria-label=Processes] tbody tr", (all) => all.map((row) => row.textContent ?? ""));
  const settled = (look: () => Promise<boolean>): Promise<true> =>
    until(async () => ((await look()) ? true : null));
  function watch(one: Page): void {
    one.on("pageerror", (error) => faults.push(`error: ${error.message}`));
    one.on("console", (message) => {
      if (/Content Security Policy|Refused to/.test(message.text())) faults.push(message.text());
    });
    one.on("request", (request) => {
      const { origin, protocol } = new URL(request.url());
      if (protocol !== "data:" && origin !== new URL(gateway.adminUrl).origin)
        faults.push(`foreign: ${request.url()}`);
    });
  }

  /** The page listens to keys a moment after it is drawn, and opens the field a moment after the key. */
  async function intoSearch(): Promise<void> {
    const isInField = "document.activeElement?.tagName === 'INPUT'";
    await settled(async () => {
      await page.keyboard.press("/");
      return page.waitForFunction(isInField, null, { timeout: 1000 }).then(
        () => true,
        () => false,
      );
    });
    await page.keyboard.press("ControlOrMeta+a");
  }

  before(async () => {
    faults = [];
    gateway = await startAdminGateway({
      services: (origin) => ({
        pay: {
          instances: [origin],
          routes: [
            { match: { path: "/cached", methods: ["GET"] }, cache: { defaultTtlMs: 60_000 } },
            { match: { path: "/" }, process: { identity: "key", keepRequest: true } },
          ],
        },
        down: {
          instances: ["http://127.0.0.1:1"],
          routes: [
            {
              match: { path: "/" },
              process: { identity: "key" },
              retries: { attempts: 2, minMs: 1, maxMs: 1 },
            },
          ],
        },
      }),
      service(request, response) {
        const body: Buffer[] = [];
        request.on("data", (chunk: Buffer) => body.push(chunk));
        request.on("end", () => {
          response.setHeader("content-type", "application/json");
          response.end(request.method === "GET" ? '{"page":1}' : Buffer.concat(body));
        });
      },
    });
    browser = await startBrowser();
    page = await browser.context.newPage();
    page.setDefaultTimeout(60_000);
    watch(page);
    for (const key of ["order-1", "order-2", "order-3"]) await pay(key);
    for (const key of ["letter-1", "letter-2"]) await pay(key, "{}", "/down/x");
    await fetch(`${gateway.url}/pay/cached/page`);
    await page.goto(`${gateway.adminUrl}/login#token=${gateway.firstToken}`);
    await page.waitForSelector("text=Needs a look");
  });
  afterEach(() => {
    expect(faults.splice(0)).to.deep.equal([]);
  });
  after(async () => {
    await browser?.close();
    await gateway?.stop();
  });

  it("the link's token logs in and stays in no address", () => {
    expect(page.url()).not.to.match(/token|sat_/);
  });

  it("a payment comes into the list without a reload", async () => {
    await open("/processes");
    await settled(async () => (await rows()).length > 0);
    const before = (await rows()).length;
    await pay("while-open");
    await settled(async () => (await rows()).length === before + 1);
    expect((await rows())[0]).to.match(/completed.*pay.*POST \/charges/);
  });

  it("filters stand in the address: a reload shows the same rows, and one button drops them", async () => {
    await open("/processes");
    await page.click("text=/^failed/");
    await settled(async () => (await rows()).length === 2);
    expect(new URL(page.url()).search).to.equal("?status=failed");
    const shown = await rows();
    await page.reload();
    await settled(async () => (await rows()).length === 2);
    expect((await rows()).map((row) => row.slice(0, 30))).to.deep.equal(shown.map((row) => row.slice(0, 30)));
    await open("/processes?status=cancelled");
    await page.click("text=Drop the filters");
    await settled(async () => (await rows()).length > 2);
    expect(new URL(page.url()).search).to.equal("");
  });

  it("a key finds its process by keyboard alone, and is in no address and no log", async () => {
    await open("/");
    await intoSearch();
    await page.keyboard.type("order-2");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/processes\/\d+\./);
    await page.waitForSelector("text=Facts");
    expect(page.url()).not.to.include("order-2");
    expect(gateway.log()).not.to.include("order-2");
    await intoSearch();
    await page.keyboard.type("no such key");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=Nothing is kept under that key");
    await page.keyboard.press("Escape");
  });

  it("a pasted request finds its process; its credentials come into no field", async () => {
    await pay("order pasted");
    for (const text of [
      `curl -sSX POST '${gateway.url}/pay/charges' \\\n  -u ann:hidden -H "Idempotency-Key: order pasted" -d '{"a":1}'`,
      `POST /pay/charges HTTP/1.1\r\nHost: pay.test\r\nAuthorization: Bearer hidden\r\nIdempotency-Key: "order pasted"\r\n\r\n{}`,
    ]) {
      await open("/");
      await intoSearch();
      await page.evaluate(`{
        const clipboardData = new DataTransfer();
        clipboardData.setData("text/plain", ${JSON.stringify(text)});
        const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
        document.activeElement.dispatchEvent(paste);
      }`);
      await page.waitForSelector("text=/Key and host of that POST are taken/");
      const fields = await page.$$eval("dialog input", (all) => all.map((one) => one.value));
      expect(fields[0]).to.equal("order pasted");
      expect(fields.join(" ")).not.to.include("hidden");
      await page.keyboard.press("Enter");
      await page.waitForURL(/\/processes\/\d+\./);
    }
  });

  it("a parked key's first copy is skipped with a reason", async () => {
    const item = { key: "pay/k 1", parkedTime: new Date().toISOString() };
    let skipped: string | null = null;
    await page.route("**/api/v1/mirror/parked**", async (route) => {
      const request = route.request();
      if (request.method() === "GET")
        return route.fulfill({ json: { items: skipped === null ? [item] : [] } });
      skipped = `${new URL(request.url()).pathname} ${request.postData()}`;
      return route.fulfill({ json: { result: "skipped" } });
    });
    await open("/mirror");
    await page.click("text=Skip…");
    await page.locator("dialog input").fill("sent by hand");
    await page.locator("dialog button[type=submit]").click();
    await page.waitForSelector("text=Parked keys", { state: "detached" });
    expect(skipped).to.match(/\/mirror\/parked\/pay%2Fk%201:skip \{"reason":"sent by hand"\}$/);
    await page.unroute("**/api/v1/mirror/parked**");
  });

  it("running a process again asks for the reason, and the audit shows who and why", async () => {
    await open("/processes?service=pay");
    await page.waitForSelector("tbody tr");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.click("text=Run again…");
    await page.waitForSelector("text=This may run a second time at the service");
    const confirm = page.locator("dialog button[type=submit]");
    expect(await confirm.isDisabled()).to.equal(true);
    expect(await page.evaluate("document.activeElement?.tagName")).to.equal("INPUT");
    await page.keyboard.type("rate table fixed");
    await confirm.click();
    await page.waitForSelector("dialog", { state: "detached" });
    await settled(async () => (await page.locator(".history li").count()) === 2);
    await open("/audit");
    await page.waitForSelector("text=rate table fixed");
    expect(await page.textContent("table")).to.match(
      /first login.*process\.rerun.*rate table fixed.*done 202/,
    );
  });

  it("an open page does not lose focus or an open part to a poll", async () => {
    await open("/processes?service=pay");
    await page.waitForSelector("tbody tr");
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.click("text=Show the stored request");
    await page.waitForSelector("text=4200");
    await page.focus("text=Show the stored request");
    const answered = page.waitForResponse(/\/timeline$/);
    await answered;
    await page.waitForResponse(/\/timeline$/);
    expect(await page.evaluate("document.activeElement?.textContent")).to.equal("Show the stored request");
    expect(await page.isVisible("text=4200")).to.equal(true);
  });

  it("hostile text is text wherever it stands", async () => {
    const hostile = [
      "<script>window.hurt=1</script>",
      '"><img src=x onerror="window.hurt=1">',
      "<svg onload=window.hurt=1>",
      "javascript:window.hurt=1",
      "{{constructor.constructor('window.hurt=1')()}}",
      "</textarea><iframe srcdoc='<script>parent.hurt=1</script>'>",
      "\u202Eevil\u0000",
    ];
    for (const [i, text] of hostile.entries())
      await pay(`x-${i}`, JSON.stringify({ text }), `/pay/${encodeURIComponent(text).slice(0, 100)}`);
    await open("/processes?service=pay");
    await settled(async () => (await rows()).length > hostile.length);
    for (let i = 0; i < hostile.length; i += 1) {
      await open("/processes?service=pay");
      await page.waitForSelector("tbody tr");
      await page.locator("tbody tr").nth(i).press("Enter");
      await page.click("text=Show the stored request");
      await page.waitForSelector("pre.body");
    }
    expect(await page.evaluate("'hurt' in window")).to.equal(false);
  });

  it("dead letters stand in groups, and the chosen group is discarded with its count", async () => {
    await open("/dead-letters");
    await page.waitForSelector("table[aria-label='Groups of dead letters'] tbody tr");
    expect(await page.textContent("table[aria-label='Groups of dead letters'] tbody")).to.match(
      /^2down.*did not run/,
    );
    await page.locator("table[aria-label='Groups of dead letters'] tbody tr").first().click();
    await page.click("text=Discard…");
    await page.keyboard.type("the customer paid by card");
    await page.locator("dialog button[type=submit]").click();
    await page.waitForSelector("dialog", { state: "detached" });
    await page.waitForSelector("text=/completed.*2 done, 0 left/");
    await page.click("text=Drop the filters");
    await page.waitForSelector("text=No dead letters");
  });

  it("explains a URL in the cache and purges it", async () => {
    await open("/cache");
    await page.fill("input[placeholder]", "/pay/cached/page");
    await page.click("text=/^Explain$/");
    await page.waitForSelector("text=/fresh for/");
    await page.locator("form").nth(1).locator("input[type=text]").fill("/pay/cached/page");
    await page.click("text=Purge…");
    await page.keyboard.type("price changed");
    await page.locator("dialog button[type=submit]").click();
    await page.waitForSelector("text=Done on every replica.");
    await page.click("text=/^Explain$/");
    await page.waitForSelector("text=The cache knows nothing of it");
  });

  it("a viewer sees no button that acts", async () => {
    const created = await page.evaluate(async () => {
      const answer = await fetch("api/v1/tokens", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: "eyes", role: "viewer", reason: "for the test" }),
      });
      return (await answer.json()) as { secret: string };
    });
    const before = await browser.context.cookies();
    await browser.context.clearCookies();
    await page.goto(`${gateway.adminUrl}/login#token=${created.secret}`);
    await page.waitForSelector("text=eyes · viewer");
    for (const path of pages) {
      await open(path);
      expect(await page.locator("main button:has-text('…')").count(), path).to.equal(0);
    }
    await open("/audit");
    await page.waitForSelector("text=/needs the role operator/");
    await browser.context.clearCookies();
    await browser.context.addCookies(before);
  });

  for (const [look, scheme, width] of [
    ["light", "light", 1440],
    ["dark", "dark", 1440],
    ["narrow", "light", 390],
  ] as const)
    it(`every page is readable for everybody, ${look}`, async () => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height: 900 });
      for (const path of pages) {
        await open(path);
        await page.waitForSelector("table, .empty, pre, .look, .pad");
        await page.evaluate(axe);
        const { violations } = await page.evaluate<{ violations: { id: string; impact: string }[] }>(
          "axe.run()",
        );
        const found = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
        expect(
          found.map(({ id }) => id),
          `${path} ${look}`,
        ).to.deep.equal([]);
        const overflow = await page.evaluate<number>("document.documentElement.scrollWidth - innerWidth");
        expect(overflow, `${path} scrolls sideways`).to.be.at.most(0);
        if (screenshots !== undefined)
          await page.screenshot({
            path: join(screenshots, `panel${path.replace("/", "-").replace(/-$/, "-overview")}-${look}.png`),
          });
      }
      await page.emulateMedia({ colorScheme: null });
      await page.setViewportSize({ width: 1280, height: 800 });
    });

  it("while Redis is away the page says so and keeps what it shows, and it is live again by itself", async () => {
    await open("/processes");
    await settled(async () => (await rows()).length > 0);
    gateway.redis.pause();
    await page.waitForSelector("[role=alert]", { timeout: 30_000 });
    expect((await rows()).length).to.be.greaterThan(0);
    gateway.redis.resume();
    await page.waitForSelector("[role=alert]", { state: "detached", timeout: 30_000 });
  });

  it("is small: at most 80 KB of JavaScript and 8 KB of CSS, gzip", () => {
    const folder = join(import.meta.dirname, "../../services/admin/panel/dist/assets");
    const sizes = readdirSync(folder).map(
      (name) => [name, gzipSync(readFileSync(join(folder, name))).length] as const,
    );
    const sum = (end: string) =>
      sizes.filter(([name]) => name.endsWith(end)).reduce((all, [, size]) => all + size, 0);
    expect(sum(".js")).to.be.within(1000, 80_000);
    expect(sum(".css")).to.be.within(500, 8000);
  });
});
