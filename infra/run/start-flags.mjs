// The flags of npm start. They become the environment that a start without flags reads.
import { Trouble } from "./project.mjs";

const variables = {
  port: "STICKY_PORT",
  "ops-port": "STICKY_OPS_PORT",
  "admin-port": "STICKY_ADMIN_PORT",
  host: "STICKY_HOST",
  config: "STICKY_CONFIG",
  redis: "REDIS_URL",
  "log-level": "STICKY_LOG_LEVEL",
  "log-format": "STICKY_LOG_FORMAT",
};

export const usage = `npm start -- [${Object.keys(variables)
  .map((name) => `--${name} …`)
  .join("] [")}]
Other flags: npm run -s sticky-proxy -- serve …`;

/** Flags of `serve` that npm start does not take; npm keeps them for itself when no -- stands before them. */
const refused = ["origin", "idempotent", "ttl", "mirror", "redis-profile", "public-url", "node", "ops-host"];

/**
 * @param {readonly string[]} args what stands behind the verb
 * @param {Record<string, string | undefined>} env npm takes a flag without -- before it as a setting of its own
 * @returns {Record<string, string>} variables to set
 * @throws {Trouble} 64: a flag that it does not take, or no value
 */
export function readFlags(args, env) {
  const found = {};
  const words = [];
  for (let i = 0; i < args.length; i += 1) {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(args[i]) ?? [];
    if (name === undefined) words.push(args[i]);
    else if (!Object.hasOwn(variables, name)) throw wrong(`npm start does not know --${name}.`);
    else found[variables[name]] = value ?? valueOf(name, args[(i += 1)]);
  }
  for (const [name, value] of swallowed(env)) {
    if (!Object.hasOwn(variables, name)) throw wrong(`npm start does not know --${name}.`);
    found[variables[name]] = value === "true" ? valueOf(name, words.shift()) : value;
  }
  if (words.length > 0) throw wrong(`npm start does not know what "${words[0]}" means.`);
  return found;
}

/** With two values of which npm has forgotten whose they are, none is guessed. */
function swallowed(env) {
  const flags = [...Object.keys(variables), ...refused].flatMap((name) => {
    const value = env[`npm_config_${name.replaceAll("-", "_")}`];
    return value === undefined || env.npm_lifecycle_event !== "start" ? [] : [[name, value]];
  });
  if (flags.filter(([, value]) => value === "true").length > 1)
    throw wrong("npm took the flags for its own.");
  return flags;
}

function valueOf(name, value) {
  if (value === undefined || value === "" || value.startsWith("--")) throw wrong(`--${name} needs a value.`);
  return value;
}

function wrong(what) {
  return new Trouble(`${what}\n${usage}`, 64);
}
