// npm run -s sticky-proxy -- …: the command line of services/cli, with the same set-up as npm start.
import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { checkInterrupted, run } from "./children.mjs";
import { callersFolder, inRoot, say } from "./project.mjs";
import { startRedis } from "./redis.mjs";

/** Runs the command line with `args`. A command that needs Redis, when none is named, gets the project's own. */
export async function cli({ node, env, args }) {
  const redis = (await needsRedis(args)) ? await startRedis() : null;
  if (redis?.isShared && isServe(args)) say(`Using the Redis that runs already: ${redis.url}`);
  try {
    checkInterrupted();
    return await run(node, [inRoot("services", "cli", "src", "cli.ts"), ...args], {
      cwd: callersFolder("sticky-proxy"),
      env: { ...env, ...(redis && { REDIS_URL: redis.url }) },
    });
  } finally {
    await redis?.release();
  }
}

/** Commands that talk to Redis themselves; flags without a command mean one of them. */
export const withRedis = [
  "serve",
  "cache",
  "clear-cache",
  "mirror",
  "ps",
  "show",
  "wait",
  "cancel",
  "force",
  "dlq",
  "keys",
  "token",
  "holders",
  "audit",
];
export const withoutRedis = [
  "check-config",
  "explain",
  "print-config",
  "init",
  "completion",
  "help",
  "version",
];
const answeredAtOnce = ["--help", "-h", "--version", "-v"];

function isServe([first = ""]) {
  return first === "serve" || first.startsWith("-");
}

async function needsRedis(args) {
  const [first] = args;
  if (first === undefined || answeredAtOnce.some((flag) => args.includes(flag))) return false;
  if (!first.startsWith("-") && !withRedis.includes(first)) return false;
  if (process.env.REDIS_URL || process.env.REDIS_URL_FILE || option(args, "--redis") !== undefined)
    return false;
  const config = option(args, "--config") ?? process.env.STICKY_CONFIG;
  return config === undefined || !(await settlesRedis(config));
}

function option(args, name) {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return undefined;
  return args[at] === name ? args[at + 1] : args[at].slice(name.length + 1);
}

/** Whether a configuration file says where Redis is. What is wrong with the file is for the command itself to tell. */
async function settlesRedis(file) {
  try {
    const { parse } = await import(pathToFileURL(inRoot("node_modules", "yaml", "dist", "index.js")).href);
    const { redis } = parse(readFileSync(path.resolve(callersFolder("sticky-proxy"), file), "utf8")) ?? {};
    return ["url", "sentinels", "cluster"].some((name) => redis?.[name] !== undefined);
  } catch {
    return true;
  }
}
