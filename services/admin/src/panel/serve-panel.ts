/**
 * Serves the panel's built files from memory: names with a hash never change, the index is never stored. Every path of
 * the panel itself gets the index, so that a deep link works; only names in the list are looked up, so no path leads
 * out of it.
 */
import type { Middleware } from "koa";

export interface PanelFile {
  readonly type: string;
  readonly body: Buffer;
  /** Precompressed; null: it does not get smaller. */
  readonly gzip: Buffer | null;
}

/** By name, such as "assets/index-abc.js"; `index.html` already has its base. */
export type PanelFiles = ReadonlyMap<string, PanelFile>;

export function servePanel(files: PanelFiles): Middleware {
  return async (context, next) => {
    if (context.method !== "GET" && context.method !== "HEAD") return void (await next());
    const name = context.path.slice(1);
    const asset = files.get(name);
    if (asset === undefined && (name.startsWith("api/") || name.startsWith("assets/")))
      return void (await next());
    const file = asset ?? files.get("index.html");
    if (file === undefined) return void (await next());
    const isIndex = asset === undefined || name === "index.html";
    context.set("Cache-Control", isIndex ? "no-store" : "public, max-age=31536000, immutable");
    context.set("Vary", "Accept-Encoding");
    context.type = file.type;
    if (file.gzip !== null && context.acceptsEncodings("gzip", "identity") === "gzip") {
      context.set("Content-Encoding", "gzip");
      context.body = file.gzip;
    } else context.body = file.body;
  };
}
