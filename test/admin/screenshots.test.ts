/**
 * Pictures of the main pages, light and dark. STICKY_SCREENSHOTS=docs/panel writes those that README.md and OPERATIONS.md show;
 * without it they are only looked at.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import type { Page } from "playwright-core";
import { startBrowser, type TestBrowser } from "../support/browser.ts";
import { startStage, type Stage } from "./stage.ts";

const root = join(import.meta.dirname, "../..");
const given = process.env["STICKY_SCREENSHOTS"];
const maxBytes = 200_000;

describe("pictures of the panel", function () {
  this.timeout(180_000);
  let stage: Stage;
  let browser: TestBrowser;
  let page: Page;
  let folder: string;

  before(async () => {
    folder = given === undefined ? mkdtempSync(join(tmpdir(), "sticky-pictures-")) : join(root, given);
    mkdirSync(folder, { recursive: true });
    stage = await startStage();
    browser = await startBrowser();
    page = await browser.context.newPage();
    page.setDefaultTimeout(30_000);
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.goto(`${stage.gateway.adminUrl}/login#token=${stage.gateway.firstToken}`);
    await page.waitForSelector("h1:has-text('Overview')");
  });
  after(async () => {
    await browser?.close();
    await stage?.stop();
    if (given === undefined && folder !== undefined) rmSync(folder, { recursive: true });
  });

  const pages: readonly (readonly [name: string, path: () => string, shows: string])[] = [
    ["overview", () => "/", ".charts canvas"],
    ["processes", () => "/processes", "tbody tr"],
    ["process", () => `/processes/${stage.processId}`, "ol.events li"],
    ["dead-letters", () => "/dead-letters", "tbody tr"],
    ["cache", () => "/cache", "tbody tr"],
    ["differences", () => "/mirror", "tbody tr"],
    ["services", () => "/services/payments", ".charts canvas"],
  ];
  for (const [name, path, shows] of pages)
    for (const scheme of ["light", "dark"] as const)
      it(`${name}, ${scheme}: shows what it should, in less than 200 KB`, async () => {
        await page.emulateMedia({ colorScheme: scheme });
        await page.goto(stage.gateway.adminUrl + path());
        await page.waitForSelector(shows);
        const file = join(folder, `${name}-${scheme}.png`);
        await page.screenshot({ path: file, animations: "disabled" });
        expect(readFileSync(file).subarray(1, 4).toString()).to.equal("PNG");
        expect(statSync(file).size).to.be.within(10_000, maxBytes);
      });
});
