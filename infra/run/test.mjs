// npm test: every test, with a Redis of its own and the programs that the integration tests put in front.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { findProgram } from "./binaries.mjs";
import { checkInterrupted, run } from "./children.mjs";
import { findRedisBinary } from "./find-redis.mjs";
import { inRoot, root, say } from "./project.mjs";
import { startThrowAwayRedis } from "./redis.mjs";

const mocha = inRoot("node_modules", "mocha", "bin", "mocha.js");
export const unitTests = ["packages/**/src/**/*.test.ts", "services/**/src/**/*.test.ts"];
const allTests = [...unitTests, "test/**/*.test.ts"];

/**
 * Runs mocha on everything, or on the test files and folders among `args`; other arguments go to mocha (`--grep words`).
 * @returns {Promise<number>} mocha's exit code
 */
export async function test({ node, env, args }) {
  const redis = process.env.REDIS_URL ? null : await startThrowAwayRedis();
  try {
    const found = await programs();
    return await runMocha({ node, env: { ...env, ...found, ...(redis && { REDIS_URL: redis.url }) }, args });
  } finally {
    await redis?.release();
  }
}

/** What tests need beside Redis, as STICKY_TEST_… variables. A test that misses one says so by failing. */
async function programs() {
  const redis = await findRedisBinary();
  const haproxy = await findProgram({ names: ["haproxy"], packages: ["haproxy"], formula: "haproxy" });
  const nginx = await findProgram({ names: ["nginx"], packages: ["nginx"], formula: "nginx" });
  const chromium = await findProgram({ names: ["chromium", "google-chrome"], packages: ["chromium"] });
  const promtool = await findProgram({ names: ["promtool"], packages: ["prometheus"] });
  const libraries = [redis, haproxy, nginx, chromium, promtool]
    .map((program) => program?.env.LD_LIBRARY_PATH)
    .filter(Boolean);
  if (!redis) say("No local redis-server: tests that kill and restart Redis will fail.");
  if (!haproxy) say("No haproxy: tests of the cluster behind a balancer will fail.");
  if (!promtool) say("No promtool: the alert rules are read, not tried.");
  if (!nginx) say("No nginx: tests of the gateway behind it will fail.");
  if (!chromium) say("No chromium: tests in a browser will fail.");
  return {
    ...(redis && { STICKY_TEST_REDIS_SERVER: redis.file }),
    ...(haproxy && { STICKY_TEST_HAPROXY: haproxy.file }),
    ...(nginx && { STICKY_TEST_NGINX: nginx.file }),
    ...(chromium && { STICKY_TEST_CHROMIUM: chromium.file }),
    ...(promtool && { STICKY_TEST_PROMTOOL: promtool.file }),
    ...(libraries.length > 0 && { LD_LIBRARY_PATH: libraries.join(":") }),
  };
}

function isFolder(file) {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}

async function runMocha({ node, env, args }) {
  const named = args.map((arg, i) => {
    const isValue = i > 0 && args[i - 1].startsWith("-"); // --grep test
    return !isValue && isFolder(inRoot(arg)) ? `${arg.replace(/\/+$/, "")}/**/*.test.ts` : arg;
  });
  const specs = named.some((arg) => arg.endsWith(".test.ts")) ? [] : allTests;
  const first = await runOnce({ node, env, args: [...specs, ...named] });
  const files = [...new Set(first.failed.map(({ file }) => file))];
  const isAsked = process.env.STICKY_TEST_SECOND_RUN === "1" && files.length > 0 && !files.includes(null);
  if (!isAsked || files.length > mostFlakyFiles) return told(first);
  const second = await runOnce({ node, env, args: files });
  if (second.code !== 0) return told(first);
  for (const { title } of first.failed)
    process.stdout.write(`flaky: failed in the run of all, passed when run again: ${title}\n`);
  return told({ ...first, code: 0, passes: first.passes + first.failures, failures: 0 });
}

/** More files than these that fail are no accident of the machine. */
const mostFlakyFiles = 3;

async function runOnce({ node, env, args }) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "sticky-test-"));
  const summary = path.join(folder, "summary.json");
  checkInterrupted();
  const reporter = inRoot("infra", "run", "mocha-reporter.mjs");
  const code = await run(node, [mocha, "--reporter", reporter, ...args], {
    cwd: root,
    env: { ...env, STICKY_TEST_SUMMARY: summary },
  });
  // Nothing was counted when mocha itself broke: that is one failure, not none.
  const counts = existsSync(summary)
    ? JSON.parse(readFileSync(summary, "utf8"))
    : { passes: 0, failures: 1, failed: [] };
  rmSync(folder, { recursive: true, force: true });
  return { ...counts, code };
}

function told({ code, passes, failures, pending }) {
  const skipped = pending ? `, ${pending} skipped` : "";
  process.stdout.write(`\n${passes} passed, ${failures} failed${skipped}\n`);
  return code === 0 && passes === 0 ? 1 : code;
}

/** Unit tests and the walls of the architecture: seconds, no Redis. */
export function unitTest({ node, env }) {
  return run(node, [mocha, "--reporter", "dot", ...unitTests, "test/architecture.test.ts"], {
    cwd: root,
    env,
  });
}
