/** Reads the built panel into memory at start. */
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { gzipSync } from "node:zlib";
import type { PanelFile, PanelFiles } from "./serve-panel.ts";

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/**
 * @param folder where the install has built the panel; one that is missing gives no files, and the API runs alone
 * @param basePath "" or "/ops/sticky": written into the index, so that one build runs below any path
 */
export async function readPanel(folder: string, basePath: string): Promise<PanelFiles> {
  const files = new Map<string, PanelFile>();
  let entries;
  try {
    entries = await readdir(folder, { recursive: true, withFileTypes: true });
  } catch (err) {
    if ((err as NodeJS.ErrnoException).code === "ENOENT") return files;
    throw err;
  }
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path).replaceAll("\\", "/");
    const type = types[name.slice(name.lastIndexOf(".") + 1)];
    if (type === undefined) continue;
    const raw = await readFile(path);
    const body =
      name === "index.html"
        ? Buffer.from(raw.toString("utf8").replace("<head>", `<head><base href="${basePath}/">`))
        : raw;
    const gzip = gzipSync(body, { level: 9 });
    files.set(name, { type, body, gzip: gzip.length < body.length ? gzip : null });
  }
  return files;
}
