// npm run check: what must hold before a change is shown to anybody. All steps run, so one look shows all there is.
import { checkInterrupted, run } from "./children.mjs";
import { inRoot, root, say } from "./project.mjs";
import { unitTest } from "./test.mjs";

/** @returns {Promise<number>} 0 when every step passed */
export async function check({ node, env }) {
  const tool = (name, ...args) => run(inRoot("node_modules", ".bin", name), args, { cwd: root, env });
  const steps = [
    ["format", () => tool("oxfmt", "--check")],
    ["lint", () => tool("oxlint", "--type-aware", "--deny-warnings")],
    ["types", () => tool("tsc", "-p", "test/tsconfig.json")],
    ["unit tests and architecture", () => unitTest({ node, env })],
  ];
  const failed = [];
  for (const [name, step] of steps) {
    say(`check: ${name} …`);
    if ((await step()) !== 0) failed.push(name);
    checkInterrupted();
  }
  say(
    failed.length === 0
      ? "check: all passed"
      : `check: failed: ${failed.join(", ")}${failed.includes("format") ? " (npm run fix formats)" : ""}`,
  );
  return failed.length === 0 ? 0 : 1;
}
