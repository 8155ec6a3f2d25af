/**
 * Compiles the published form into dist/: plain JavaScript and types without any dependency.
 * The client's pieces of the protocol package become part of it. An import from "@sticky-proxy/protocol" is
 * rewritten to the files that declare the names, so that the client, unlike the receiver, never loads node:crypto
 * and runs in a browser too. Runs on Node 20 and newer.
 */

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const dist = join(here, "dist");

/** Source files of a folder, without tests and what only tests use. */
function sources(folder) {
  return readdirSync(folder, { recursive: true }).filter(
    (name) => name.endsWith(".ts") && !/(?:\.test|^fake-.*|(?:^|\/)index)\.ts$/.test(name),
  );
}

function declaringFiles(folder) {
  const files = new Map();
  for (const file of sources(folder)) {
    const text = readFileSync(join(folder, file), "utf8");
    const declaration = /^export (?:async )?(?:function\*?|const|class|interface|type) (\w+)/gm;
    for (const [, name] of text.matchAll(declaration)) files.set(name, file);
  }
  return files;
}

/** One import or re-export of several names as one per file that declares some of them. */
function rewriteImports(text, files) {
  const statement = /^(import|export)( type)? \{([^}]*)\} from "@sticky-proxy\/protocol(?:\/\w+)?";$/gm;
  return text.replace(statement, (_, verb, type = "", names) => {
    const byFile = new Map();
    for (const item of names
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== "")) {
      const file = files.get(item.replace(/^type /, ""));
      if (file === undefined) throw new Error(`the protocol package declares no ${item}`);
      byFile.set(file, [...(byFile.get(file) ?? []), item]);
    }
    return [...byFile]
      .map(([file, items]) => `${verb}${type} { ${items.join(", ")} } from "./protocol/${file}";`)
      .join("\n");
  });
}

// Inside the workspace, so that @types/node is found.
const staging = mkdtempSync(join(here, ".build-"));
try {
  const protocol = join(root, "packages/protocol/src");
  mkdirSync(join(staging, "src/protocol"), { recursive: true });
  for (const file of sources(protocol)) cpSync(join(protocol, file), join(staging, "src/protocol", file));
  const files = declaringFiles(protocol);
  for (const file of [...sources(join(here, "src")), "index.ts"]) {
    const text = rewriteImports(readFileSync(join(here, "src", file), "utf8"), files);
    if (text.includes("@sticky-proxy/protocol"))
      throw new Error(`${file} imports the protocol in a form this build does not know`);
    writeFileSync(join(staging, "src", file), text);
  }
  writeFileSync(
    join(staging, "tsconfig.json"),
    JSON.stringify({
      extends: join(root, "tsconfig.base.json"),
      compilerOptions: {
        // Node 20 and today's browsers.
        target: "es2022",
        types: ["node"],
        noEmit: false,
        declaration: true,
        rewriteRelativeImportExtensions: true,
        rootDir: join(staging, "src"),
        outDir: dist,
      },
      files: ["src/index.ts", "src/receiver.ts"],
    }),
  );
  rmSync(dist, { recursive: true, force: true });
  execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", staging], {
    stdio: "inherit",
  });
  // The compiler rewrites extensions in JavaScript only.
  for (const name of readdirSync(dist, { recursive: true })) {
    if (!name.endsWith(".d.ts")) continue;
    const text = readFileSync(join(dist, name), "utf8");
    writeFileSync(join(dist, name), text.replace(/ from "(\.[^"]*)\.ts"/g, ' from "$1.js"'));
  }
} finally {
  rmSync(staging, { recursive: true, force: true });
}
