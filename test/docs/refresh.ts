/** `npm run fix` runs it: writes the generated parts of the documents anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { editorSchema, generated, root, sectionOf, withSection } from "./generated.ts";

for (const [name, parts] of Object.entries(generated)) {
  const file = join(root, name);
  let document = readFileSync(file, "utf8");
  for (const [part, text] of Object.entries(parts)) {
    if (sectionOf(document, part) === null) throw new Error(`${name} has no marks for: ${part}`);
    document = withSection(document, part, await text());
  }
  writeFileSync(file, document);
}
writeFileSync(join(root, editorSchema.file), editorSchema.text());
