// npm run -s sticky-proxy -- …: the command line of services/cli, with the same set-up as npm start.
import path from "node:path";
import process from "node:process";
import { checkInterrupted, run } from "./children.mjs";
import { callersFolder, inRoot, say } from "./project.mjs";
import { redisOf } from "./config-file.mjs";
import { prefixAmong, prefixOf } from "./key-prefix.mjs";
import { startRedis } from "./redis.mjs";

/** Runs the command line with `args`. A command that needs Redis, when none is named, gets the project's own. */
export async function cli({ node, env, args }) {
  const redis = (await needsRedis(args)) ? await startRedis() : null;
  if (redis?.isShared && isServe(args)) say(`Using the Redis that runs already: ${redis.url}`);
  try {
    checkInterrupted();
    return await run(node, [inRoot("services", "cli", "src", "cli.ts"), ...args], {
      cwd: callersFolder("sticky-proxy"),
      env: { ...env, ...(redis && { REDIS_URL: redis.url, ...(await keyPrefix(redis, args)) }) },
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

/** The setting that keeps gateways of unlike configurations apart on the project's own Redis. */
async function keyPrefix(redis, args) {
  const given = (flag, variable) => option(args, flag) ?? (process.env[variable] || undefined);
  const file = given("--config", "STICKY_CONFIG");
  const config = file && path.resolve(callersFolder("sticky-proxy"), file);
  const origin = given("--origin", "STICKY_ORIGIN");
  const chosen = given("--key-prefix", "STICKY_KEY_PREFIX");
  if ([config, origin, chosen].some((one) => one !== undefined) || isServe(args)) {
    const own = await prefixOf({ config, origin, chosen });
    if (isServe(args)) redis.serve(own);
    return { STICKY_KEY_PREFIX: own.prefix };
  }
  const { prefix, hint } = prefixAmong(redis.running());
  if (hint !== null) say(hint);
  return { STICKY_KEY_PREFIX: prefix };
}

function option(args, name) {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return undefined;
  return args[at] === name ? args[at + 1] : args[at].slice(name.length + 1);
}

/** Whether a configuration file says where Redis is. What is wrong with the file is for the command itself to tell. */
async function settlesRedis(file) {
  const redis = await redisOf(path.resolve(callersFolder("sticky-proxy"), file));
  return redis === null || ["url", "sentinels", "cluster"].some((name) => redis[name] !== undefined);
}
