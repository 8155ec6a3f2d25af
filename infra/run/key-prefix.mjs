// Which keys a command uses on the project's own Redis. Gateways of unlike configurations run there side by side, and
// equal service names would share processes: one would answer with the other's results. So each has a prefix of its
// own, but for the demo's, which has the default.
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import path from "node:path";
import { redisOf } from "./config-file.mjs";
import { dataFolder, inRoot, Trouble } from "./project.mjs";

export const defaultPrefix = "sp:";

/**
 * The prefix of a configuration, and how a command line names that configuration.
 * @param {{ origin?: string, config?: string, chosen?: string }} of a quick form's service, or a file (absolute);
 *   neither: the demo's. `chosen`: the prefix that its owner has chosen
 * @returns {Promise<{ prefix: string, flags: string }>}
 */
export async function prefixOf({ origin, config, chosen }) {
  if (config !== undefined && !isDemo(config)) {
    const prefix = chosen ?? (await redisOf(config))?.keyPrefix ?? named(`config ${realPath(config)}`);
    return { prefix, flags: `--config ${config}` };
  }
  if (config === undefined && origin !== undefined)
    return { prefix: chosen ?? named(`origin ${normalised(origin)}`), flags: `--origin ${origin}` };
  return { prefix: chosen ?? defaultPrefix, flags: "" };
}

/**
 * The prefix for a command that names no configuration: that of the gateway that runs, or npm start's among several.
 * @param {readonly { prefix: string, flags: string }[]} running
 * @returns {{ prefix: string, hint: string | null }}
 * @throws {Trouble} 64: several run, and none is npm start's
 */
export function prefixAmong(running) {
  const unlike = [...new Map(running.map((one) => [one.prefix, one])).values()];
  if (unlike.length <= 1) return { prefix: unlike[0]?.prefix ?? defaultPrefix, hint: null };
  const others = unlike.filter(({ prefix }) => prefix !== defaultPrefix).map(({ flags }) => flags);
  if (others.length === unlike.length)
    throw new Trouble(`Several gateways use this Redis. Add one of:\n  ${others.join("\n  ")}`, 64);
  return {
    prefix: defaultPrefix,
    hint: `This is npm start's gateway. For another one add: ${others.join(", or ")}`,
  };
}

function named(configuration) {
  return `sp-${createHash("sha256").update(configuration).digest("hex").slice(0, 8)}:`;
}

/** The file itself, or what npm start has written from it (start.mjs). */
function isDemo(config) {
  const file = realPath(config);
  const isWritten = path.basename(file) === "demo.sticky.yaml" && file.startsWith(realPath(dataFolder));
  return isWritten || file === realPath(inRoot("infra", "demo", "sticky.yaml"));
}

function realPath(file) {
  try {
    return realpathSync(file);
  } catch {
    return path.resolve(file); // the command itself says that it is missing
  }
}

function normalised(origin) {
  return URL.canParse(origin) ? new URL(origin).href : origin;
}
