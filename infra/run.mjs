// The project's one entry for people: npm start, npm test, npm run check, npm run fix, npm run bench, npm run mutants,
// npm run sticky-proxy.
// Plain JavaScript that also runs on Node 20: it is what brings the right Node.
import process from "node:process";
import { ensureInstalled } from "./run/install.mjs";
import { ensurePanel } from "./run/panel.mjs";
import { childEnv, pickNode } from "./run/node.mjs";
import { checkInterrupted, listenForSignals } from "./run/children.mjs";
import { ofSystem, say, Trouble } from "./run/project.mjs";

const verbs = {
  start: async (context) => (await import("./run/start.mjs")).start(context),
  test: async (context) => (await import("./run/test.mjs")).test(context),
  check: async (context) => (await import("./run/check.mjs")).check(context),
  fix: async (context) => (await import("./run/fix.mjs")).fix(context),
  mutants: async (context) => (await import("./run/mutants.mjs")).mutants(context),
  bench: async (context) => (await import("./run/bench.mjs")).bench(context),
  cli: async (context) => (await import("./run/cli.mjs")).cli(context),
};

const [name, ...args] = process.argv.slice(2);
const verb = Object.hasOwn(verbs, name ?? "") ? verbs[name] : undefined;
if (!verb) {
  say(`usage: node infra/run.mjs ${Object.keys(verbs).join("|")} [arguments]`);
  process.exit(64);
}
try {
  listenForSignals();
  await ensureInstalled();
  checkInterrupted();
  const node = pickNode();
  await ensurePanel({ node });
  process.exitCode = await verb({ node, env: childEnv(node), args });
} catch (error) {
  const known = error instanceof Trouble ? error : ofSystem(error);
  if (known === null) throw error;
  say(known.message);
  process.exitCode = known.exitCode;
}
