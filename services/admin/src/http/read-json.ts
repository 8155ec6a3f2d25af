/** The JSON body of a request, bounded. */
import type { IncomingMessage } from "node:http";
import { Problem } from "@sticky-proxy/protocol";

const maxBytes = 128 * 1024;

/** @throws Problem unsupported-media-type, payload-too-large, malformed-json */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const type = (request.headers["content-type"] ?? "").split(";")[0]!.trim().toLowerCase();
  if (type !== "application/json")
    throw new Problem("unsupported-media-type", { detail: "the body must be application/json" });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw new Problem("payload-too-large", { close: true });
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
  } catch (cause) {
    throw new Problem("malformed-json", { cause });
  }
}
