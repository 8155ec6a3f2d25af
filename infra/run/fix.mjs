// npm run fix: what npm run check finds and a program can mend.
import { run } from "./children.mjs";
import { inRoot, root } from "./project.mjs";

/** Writes the parts of the documents that come from the code, and formats. @returns {Promise<number>} the first failure's exit code */
export async function fix({ node, env }) {
  const documents = await run(node, [inRoot("test", "docs", "refresh.ts")], { cwd: root, env });
  if (documents !== 0) return documents;
  return run(inRoot("node_modules", ".bin", "oxfmt"), [], { cwd: root, env });
}
