// npm start: Redis, the gateway and a demo service with two instances, until Ctrl-C.
import { existsSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { answerSignals, capture, checkInterrupted, run, startChild, stopChild } from "./children.mjs";
import { freePort } from "./free-port.mjs";
import { enterRun } from "./left-behind.mjs";
import { callersFolder, inRoot, root, say, Trouble } from "./project.mjs";
import { readFlags, usage } from "./start-flags.mjs";
import { prefixOf } from "./key-prefix.mjs";
import { startRedis } from "./redis.mjs";
import { suggestions } from "./suggestions.mjs";
import { welcome } from "./welcome.mjs";

const demoPorts = [4001, 4002];
/** Of the accounts, the second instance is the new backend, with the fault that comparing finds. */
const roles = [[], ["--users-version", "2", "--users-difference"]];

const cli = inRoot("services", "cli", "src", "cli.ts");

/** @returns {Promise<number>} 0 after a signal, 1 when a part ended by itself, 78 when a configuration of the user's own is wrong */
export async function start({ node, env: inherited, args }) {
  if (args.includes("--help") || args.includes("-h")) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  const flags = readFlags(args, process.env);
  Object.assign(process.env, flags);
  const env = { ...inherited, ...flags };
  const own = process.env.STICKY_CONFIG && path.resolve(callersFolder("start"), process.env.STICKY_CONFIG);
  if (own) {
    const check = { env: { ...env, STICKY_CONFIG: own }, stdio: ["ignore", "ignore", "inherit"] };
    const code = await run(node, [cli, "check-config"], check);
    if (code !== 0) return code;
  }
  const entered = await enterRun();
  try {
    return await startParts({ node, env, own, entered });
  } finally {
    entered.leave();
  }
}

async function startParts({ node, env, own, entered }) {
  const logs = path.join(entered.folder, "logs");
  const logOf = (name) => path.join(logs, `${name}.log`);
  const port = await wantedPort("STICKY_PORT", 8080);
  const opsPort = await wantedPort("STICKY_OPS_PORT", 9180);
  const adminPort = await wantedPort("STICKY_ADMIN_PORT", 8090);
  const demos = await Promise.all(demoPorts.map((wanted) => freePort(wanted)));
  const config = own || writeConfig(entered.folder, demos);
  mkdirSync(logs, { recursive: true });

  const redis = process.env.REDIS_URL ? null : await startRedis();
  const chosen = process.env.STICKY_KEY_PREFIX || undefined;
  const use = await prefixOf({ ...(own && { config: own }), chosen });
  redis?.serve(use);
  const parts = [];
  const begin = (name, args, extra = {}) => {
    checkInterrupted();
    if (existsSync(logOf(name))) renameSync(logOf(name), path.join(logs, `${name}.before.log`));
    const log = openSync(logOf(name), "a");
    const started = startChild(node, args, {
      cwd: root,
      stdio: ["ignore", log, log],
      env: { ...env, ...extra },
    });
    const part = { name, ...started };
    parts.push(part);
    if (part.child.pid !== undefined) entered.began(name, part.child.pid);
    return part;
  };
  // The gateway is stopped first: it still needs the others to finish its work.
  const stopping = new Promise((resolve) => answerSignals(resolve));
  try {
    const [first, second] = demos.map((demoPort, i) => {
      const file = inRoot("services", "demo", "src", "main.ts");
      return begin(`demo-${i + 1}`, [
        file,
        "--port",
        String(demoPort),
        "--name",
        `demo-${i + 1}`,
        ...roles[i],
      ]);
    });
    const gateway = begin("gateway", [cli, "serve"], {
      STICKY_CONFIG: config,
      STICKY_PORT: String(port),
      ...(listensWhereToldTo(own) ? {} : { STICKY_HOST: "127.0.0.1" }),
      STICKY_OPS_PORT: String(opsPort),
      STICKY_ADMIN_PORT: String(adminPort),
      ...(redis && { REDIS_URL: redis.url, STICKY_KEY_PREFIX: use.prefix }),
    });
    const ended = Promise.race(parts.map(({ name, exited }) => exited.then(() => name)));
    await isReady(`http://127.0.0.1:${opsPort}/readyz`, { stopping, ended, logOf });
    process.stdout.write(
      welcome({
        port,
        opsPort,
        panel: panelLink(logOf("gateway")),
        demos,
        redis: withoutPassword(redis?.url ?? process.env.REDIS_URL),
        logs,
        tries: own ? suggestions(await printed(node, env, own), `http://127.0.0.1:${port}`) : null,
      }),
    );
    const name = await Promise.race([ended, stopping.then(() => null)]);
    if (name !== null) throw new Trouble(`${name} ended by itself:\n${logTail(logOf(name))}`);
    say("Stopping …");
    // Nobody balances in front of this gateway, so it need not wait to be seen as draining: that is SIGINT.
    await stopChild(gateway, { signal: "SIGINT" });
    await Promise.all([first, second].map((part) => stopChild(part)));
    return 0;
  } finally {
    await Promise.all(parts.map((part) => stopChild(part)));
    await redis?.release();
  }
}

/** The configuration as the gateway reads it; check-config has let it pass. */
async function printed(node, env, own) {
  const { stdout } = await capture(node, [cli, "print-config", "--json"], {
    env: { ...env, STICKY_CONFIG: own },
  });
  return JSON.parse(stdout);
}

/** Whether somebody has said which address the gateway listens on; else others on the network do not reach it. */
function listensWhereToldTo(own) {
  return Boolean(process.env.STICKY_HOST) || (own && /^host\s*:/m.test(readFileSync(own, "utf8")));
}

async function wantedPort(variable, usual) {
  const port = Number(process.env[variable] ?? usual);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Trouble(`${variable} is no port: ${process.env[variable]}`);
  const free = await freePort(port);
  if (port !== 0 && free !== port) {
    throw new Trouble(
      `Port ${port} is in use. Is the gateway running already? Another port: ${variable}=${free} npm start`,
    );
  }
  return free;
}

/** The demo's configuration with the ports that the instances really have. */
function writeConfig(folder, demos) {
  const text = readFileSync(inRoot("infra", "demo", "sticky.yaml"), "utf8");
  const file = path.join(folder, "demo.sticky.yaml");
  const withPorts = text.replace(/127\.0\.0\.1:(\d+)/g, (whole, wanted) => {
    const i = demoPorts.indexOf(Number(wanted));
    return i < 0 ? whole : `127.0.0.1:${demos[i]}`;
  });
  writeFileSync(file, withPorts);
  return file;
}

async function isReady(url, { stopping, ended, logOf }) {
  let over = null;
  void stopping.then(() => (over = "signal"));
  void ended.then((name) => (over = name));
  for (const began = Date.now(); ; await sleep(100)) {
    if (over === "signal") checkInterrupted();
    if (over !== null) throw new Trouble(`${over} did not start:\n${logTail(logOf(over))}`);
    const answer = await fetch(url, { signal: AbortSignal.timeout(2000) }).catch(() => null);
    if (answer?.ok) return;
    if (Date.now() - began > 60_000) {
      const why = answer ? await answer.text() : "no answer";
      throw new Trouble(`The gateway is not ready after 60 s: ${why}\n${logTail(logOf("gateway"))}`);
    }
  }
}

/** Where the panel is, with the link that logs in once; the gateway says it when it is up. */
function panelLink(log) {
  return /admin panel (.+)/.exec(readFileSync(log, "utf8"))?.[1] ?? "not started, see the log";
}

function logTail(log) {
  return readFileSync(log, "utf8").trimEnd().split("\n").slice(-15).join("\n");
}

function withoutPassword(url) {
  return url.replace(/:\/\/[^@/]*@/, "://…@");
}
