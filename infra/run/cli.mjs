// npm run -s sticky-proxy -- …: the command line of services/proxy, with the same set-up as npm start.
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { run } from "./children.mjs";
import { inRoot } from "./project.mjs";
import { startRedis } from "./redis.mjs";

/** Runs the command line with `args`; `serve` without any Redis named gets the project's own. */
export async function cli({ node, env, args }) {
  const redis = (await needsRedis(args)) ? await startRedis() : null;
  try {
    return await run(node, [inRoot("services", "proxy", "src", "cli.ts"), ...args], {
      env: { ...env, ...(redis && { REDIS_URL: redis.url }) },
    });
  } finally {
    await redis?.release();
  }
}

async function needsRedis(args) {
  const command = args.find((arg) => !arg.startsWith("-"));
  if (command !== "serve" || process.env.REDIS_URL || args.includes("--help")) return false;
  if (option(args, "--redis") !== undefined) return false;
  const config = option(args, "--config") ?? process.env.STICKY_CONFIG;
  return config === undefined || !(await namesRedis(config));
}

function option(args, name) {
  const at = args.findIndex((arg) => arg === name || arg.startsWith(`${name}=`));
  if (at < 0) return undefined;
  return args[at] === name ? args[at + 1] : args[at].slice(name.length + 1);
}

/** Whether a configuration file says where Redis is. What is wrong in the file is for the command itself to tell. */
async function namesRedis(file) {
  if (!existsSync(file)) return true;
  try {
    const { parse } = await import(pathToFileURL(inRoot("node_modules", "yaml", "dist", "index.js")).href);
    const { redis } = parse(readFileSync(file, "utf8"));
    return ["url", "sentinels", "cluster"].some((name) => redis?.[name] !== undefined);
  } catch {
    return true;
  }
}
