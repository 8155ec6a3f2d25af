/** Body bytes in Redis: raw chunks of 256 KiB, written and read piece by piece, under an id that is never reused. */
import { randomBytes } from "node:crypto";
import {
  type BodyWriter,
  bodyWeight,
  CacheUnavailable,
  maxFetchMs,
  pieceBytes,
} from "@sticky-proxy/core/cache";
import type { CacheBudget } from "./budget.ts";
import type { CacheGuard } from "./guard.ts";
import type { CacheIo } from "./io.ts";
import type { CacheKeys } from "./keys.ts";
import type { Connection } from "../redis/redis.ts";

export const chunkBytes = 256 * 1024;
const piecesPerChunk = chunkBytes / pieceBytes;

/** How long the chunks of a body that nothing names any more stay for running readers. */
const graceMs = 60_000;
/** Of a body that was evicted: nobody had asked for it for long. */
const evictedGraceMs = 5000;
/** Of a body in one piece: a reader reads it at once. */
const onePieceGraceMs = 2000;

export interface BodyWriterDeps {
  readonly connection: Connection;
  readonly keys: CacheKeys;
  readonly guard: CacheGuard;
  readonly budget: Pick<CacheBudget, "takeFor" | "abandoned">;
}

export function openBody(
  { connection, keys, guard, budget }: BodyWriterDeps,
  key: string,
  holder: string,
  announced: number,
): BodyWriter {
  const bodyId = randomBytes(12).toString("base64url");
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let pieces = 0;
  let written = 0;
  let reserved = 0;

  async function write(piece: Buffer): Promise<void> {
    const name = keys.chunk(key, bodyId, Math.floor(pieces / piecesPerChunk));
    written += piece.length;
    const more = bodyWeight(Math.max(written, announced)) - reserved;
    // Bodies that are being written count too: they must never use up the memory of the process state. Where there is room
    // this waits for nothing, because a commit is sent directly after its bytes.
    const taken = more <= 0 || budget.takeFor(bodyId, more, holder);
    if (!(taken === true || (await taken)))
      throw new CacheUnavailable("the cache's part of the memory is full");
    reserved += Math.max(0, more);
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
      budget.abandoned(bodyId);
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

/**
 * Lets bodies that nothing names expire after running readers have ended. Never rejects.
 * @param retired told of each one's bytes, and how long they stay
 */
export async function retireBodies(
  { writes, keys }: Pick<CacheIo, "writes" | "keys">,
  key: string,
  bodies: readonly { bodyId: string; bytes: number }[],
  retired: CacheBudget["retired"],
  isEvicted = false,
): Promise<void> {
  const expiries = bodies.flatMap(({ bodyId, bytes }) => {
    if (bodyId === "") return [];
    const ms = bytes <= pieceBytes ? onePieceGraceMs : isEvicted ? evictedGraceMs : graceMs;
    retired(bytes, ms);
    return chunkKeys(keys, key, bodyId, bytes).map((name) => writes.pexpire(name, ms));
  });
  await Promise.allSettled(expiries); // best effort: every chunk has a TTL of its own
}

/** The chunk keys of a body of `bytes` bytes. */
export function chunkKeys(keys: CacheKeys, key: string, bodyId: string | null, bytes: number): string[] {
  if (bodyId === null) return [];
  return Array.from({ length: Math.ceil(bytes / chunkBytes) }, (_, n) => keys.chunk(key, bodyId, n));
}
