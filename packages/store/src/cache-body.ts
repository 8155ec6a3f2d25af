/** Body bytes in Redis: raw chunks of 256 KiB under an id that is never used again. */
import { randomBytes } from "node:crypto";
import { type BodyWriter, chunkBytes, maxFetchMs } from "@sticky-proxy/core";
import type { CacheGuard } from "./cache-guard.ts";
import type { CacheKeys } from "./cache-keys.ts";
import type { Connection } from "./redis.ts";

/** How long the chunks of a body that nothing names any more serve readers under way. */
export const graceMs = 60_000;

export function openBody(
  connection: Connection,
  keys: CacheKeys,
  guard: CacheGuard,
  key: string,
): BodyWriter {
  const bodyId = randomBytes(12).toString("base64url");
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let written = 0;

  async function write(chunk: Buffer): Promise<void> {
    await guard.run(() => connection.set(keys.chunk(key, bodyId, written), chunk, "PX", maxFetchMs));
    written++;
  }

  return {
    bodyId,
    get writtenChunks() {
      return written;
    },
    async append(bytes) {
      pending.push(bytes);
      pendingBytes += bytes.length;
      while (pendingBytes >= chunkBytes) {
        const all = Buffer.concat(pending);
        const rest = all.subarray(chunkBytes);
        pending = rest.length === 0 ? [] : [rest];
        pendingBytes = rest.length;
        await write(all.subarray(0, chunkBytes));
      }
    },
    async end() {
      if (pendingBytes === 0) return;
      const rest = Buffer.concat(pending);
      pending = [];
      pendingBytes = 0;
      await write(rest);
    },
    async abandon() {
      const names = Array.from({ length: written }, (_, n) => keys.chunk(key, bodyId, n));
      if (names.length > 0) await guard.run(() => connection.unlink(...names)).catch(() => 0); // each has a TTL
    },
  };
}

/** The keys of a body of so many bytes. */
export function chunkKeys(keys: CacheKeys, key: string, bodyId: string | null, bytes: number): string[] {
  if (bodyId === null) return [];
  return Array.from({ length: Math.ceil(bytes / chunkBytes) }, (_, n) => keys.chunk(key, bodyId, n));
}
