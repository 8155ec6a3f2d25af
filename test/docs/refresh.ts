/** `node test/docs/refresh.ts` writes the generated parts of README.md anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generated, root, sectionOf, withSection } from "./generated.ts";

const file = join(root, "README.md");
let readme = readFileSync(file, "utf8");
for (const [name, text] of Object.entries(generated)) {
  if (sectionOf(readme, name) === null) throw new Error(`README.md has no marks for: ${name}`);
  readme = withSection(readme, name, await text());
}
writeFileSync(file, readme);
