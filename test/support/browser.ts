/** A real Chromium, without a window: the one that the test run has found or fetched (infra/run/test.mjs). */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext } from "playwright-core";

export interface TestBrowser {
  readonly context: BrowserContext;
  close(): Promise<void>;
}

/** With an empty profile of its own. Chromium's calls to its maker are off: a test talks to loopback only. */
export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = process.env["STICKY_TEST_CHROMIUM"];
  if (executablePath === undefined) throw new Error("no Chromium: install the package chromium");
  const profile = mkdtempSync(join(tmpdir(), "sticky-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    chromiumSandbox: false,
    args: [
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
