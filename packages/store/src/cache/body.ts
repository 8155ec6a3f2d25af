/** Body bytes in Redis: raw chunks of 256 KiB, written and read piece by piece, under an id that is never reused. */
import { randomBytes } from "node:crypto";
import { type BodyWriter, CacheUnavailable, maxFetchMs, pieceBytes } from "@sticky-proxy/core/cache";
import type { CacheGuard } from "./guard.ts";
import type { CacheKeys } from "./keys.ts";
import type { Connection } from "../redis/redis.ts";

export const chunkBytes = 256 * 1024;
const piecesPerChunk = chunkBytes / pieceBytes;

/** How long the chunks of an unreferenced body stay for running readers. */
const graceMs = 60_000;

export interface BodyWriterDeps {
  readonly connection: Connection;
  readonly keys: CacheKeys;
  readonly guard: CacheGuard;
  /** false: not enough memory for this many more bytes. */
  readonly reserve: (bytes: number) => boolean;
}

export function openBody({ connection, keys, guard, reserve }: BodyWriterDeps, key: string): BodyWriter {
  const bodyId = randomBytes(12).toString("base64url");
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let pieces = 0;

  async function write(piece: Buffer): Promise<void> {
    const name = keys.chunk(key, bodyId, Math.floor(pieces / piecesPerChunk));
    // Bodies that are being written count too: they must never use up the memory of the process state.
    if (!reserve(piece.length)) throw new CacheUnavailable("the cache's part of the memory is full");
    await guard.run(async () => {
      const results = await connection.pipeline().append(name, piece).pexpire(name, maxFetchMs).exec();
      // Throws when an append has an unknown outcome: such a body must never be committed.
      for (const [error] of results ?? [[new Error("no answer")]]) if (error !== null) throw error;
    });
    pieces++;
  }

  return {
    bodyId,
    get writtenPieces() {
      return pieces;
    },
    async append(bytes) {
      pending.push(bytes);
      pendingBytes += bytes.length;
      while (pendingBytes >= pieceBytes) {
        const all = Buffer.concat(pending);
        const rest = all.subarray(pieceBytes);
        pending = rest.length === 0 ? [] : [rest];
        pendingBytes = rest.length;
        await write(all.subarray(0, pieceBytes));
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
      const names = chunkKeys(keys, key, bodyId, pieces * pieceBytes);
      if (names.length > 0) await guard.run(() => connection.unlink(...names)).catch(() => 0); // each has a TTL
    },
  };
}

/** The nth piece of a body, or null when it was removed. */
export async function readPiece(
  connection: Connection,
  keys: CacheKeys,
  key: string,
  bodyId: string,
  n: number,
): Promise<Buffer | null> {
  const from = (n % piecesPerChunk) * pieceBytes;
  const name = keys.chunk(key, bodyId, Math.floor(n / piecesPerChunk));
  const piece = await connection.getrangeBuffer(name, from, from + pieceBytes - 1);
  return piece.length === 0 ? null : piece;
}

/** Lets unreferenced bodies expire after running readers have ended. Never rejects. */
export async function retireBodies(
  connection: Connection,
  keys: CacheKeys,
  key: string,
  bodies: readonly { bodyId: string; bytes: number }[],
): Promise<void> {
  const names = bodies.flatMap(({ bodyId, bytes }) =>
    chunkKeys(keys, key, bodyId === "" ? null : bodyId, bytes),
  );
  // Best effort: every chunk has a TTL of its own.
  await Promise.allSettled(names.map((name) => connection.pexpire(name, graceMs)));
}

/** The chunk keys of a body of `bytes` bytes. */
export function chunkKeys(keys: CacheKeys, key: string, bodyId: string | null, bytes: number): string[] {
  if (bodyId === null) return [];
  return Array.from({ length: Math.ceil(bytes / chunkBytes) }, (_, n) => keys.chunk(key, bodyId, n));
}
