/**
 * A response body in transfer: one writer stores it, the clients of the collapsed fetch read it.
 *
 * Bytes already in the store are read from there, the rest (less than a piece, and what is being written) from memory,
 * so a slow reader neither delays the fetch nor fills the memory. After storing has stopped, the slowest reader sets the
 * pace, and a reader that delays the others for too long is disconnected.
 */
import { Readable } from "node:stream";
import { BodyGone } from "@sticky-proxy/engine";
import { pieceBytes, type BodyWriter, type CacheStore } from "@sticky-proxy/core/cache";

/** Bytes in memory for readers after storing has stopped. */
const maxTailBytes = 1024 * 1024;

interface Reader {
  at: number;
  isCut: boolean;
}

export class SharedBody {
  readonly #store: Pick<CacheStore, "readPiece">;
  readonly #key: string;
  readonly #writer: BodyWriter;
  readonly #readers = new Set<Reader>();
  #tail: Buffer[] = [];
  #tailStart = 0;
  #length = 0;
  #storing = true;
  #ended = false;
  #error: Error | null = null;
  #changed = Promise.withResolvers<void>();
  #waits = 0;

  constructor(store: Pick<CacheStore, "readPiece">, key: string, writer: BodyWriter) {
    this.#store = store;
    this.#key = key;
    this.#writer = writer;
  }

  get length(): number {
    return this.#length;
  }

  get isStoring(): boolean {
    return this.#storing;
  }

  /** No readers, and nothing is stored: the fetch can end. */
  get isUseless(): boolean {
    return !this.#storing && this.#readers.size === 0;
  }

  /** Adds bytes for the readers; the caller writes them to the store. */
  give(bytes: Buffer): void {
    this.#tail.push(bytes);
    this.#length += bytes.length;
    this.#notify();
  }

  /** Frees the bytes that can be read from the store, or that every reader has read. */
  release(): void {
    this.#trim(this.#storing ? this.#writer.writtenPieces * pieceBytes : this.#needed());
  }

  /** No further bytes go to the store. */
  stopStoring(): void {
    this.#storing = false;
    this.#notify();
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  fail(error: Error): void {
    this.#error = error;
    this.#notify();
  }

  /** false: the memory limit is reached. Always true while the body is stored. */
  get hasRoom(): boolean {
    return this.#storing || this.#error !== null || this.#length - this.#needed() < this.#window;
  }

  async room(): Promise<void> {
    while (!this.hasRoom) await this.#change();
    this.release();
  }

  /** Disconnects the slow readers; if all are slow, only the slowest. The only reader is never disconnected. */
  cutSlowest(): void {
    const lag = (reader: Reader): number => this.#length - this.#inMemory(reader);
    const slow = [...this.#readers].filter((reader) => lag(reader) >= pieceBytes);
    if (this.#readers.size < 2) return;
    const cut =
      slow.length < this.#readers.size ? slow : slow.toSorted((a, b) => lag(b) - lag(a)).slice(0, 1);
    for (const reader of cut) {
      reader.isCut = true;
      this.#readers.delete(reader);
    }
    this.#notify();
  }

  /** Bytes that the fastest reader may be ahead of the slowest. */
  get #window(): number {
    return this.#readers.size > 1 ? maxTailBytes : pieceBytes;
  }

  /** Offset below which no reader needs the memory. */
  #needed(): number {
    let needed = this.#length;
    for (const reader of this.#readers) needed = Math.min(needed, this.#inMemory(reader));
    return needed;
  }

  /** Offset of the reader's next byte that is not in the store. */
  #inMemory({ at }: Reader): number {
    return Math.max(at, this.#writer.writtenPieces * pieceBytes);
  }

  /** Resolves when there are no readers. */
  async unread(): Promise<void> {
    while (this.#readers.size > 0) await this.#change();
  }

  /** The whole body, from its first byte on. */
  reader(): Readable {
    const reader: Reader = { at: 0, isCut: false };
    this.#readers.add(reader);
    const readable = Readable.from(this.#read(reader), { objectMode: false, highWaterMark: pieceBytes });
    readable.once("close", () => {
      this.#readers.delete(reader);
      this.#notify();
    });
    return readable;
  }

  async *#read(reader: Reader): AsyncGenerator<Buffer> {
    for (;;) {
      if (reader.isCut) throw new BodyGone("the reader delayed the others");
      if (reader.at < this.#length) {
        const bytes =
          reader.at < this.#tailStart ? await this.#stored(reader.at) : this.#remembered(reader.at);
        reader.at += bytes.length;
        this.#notify();
        yield bytes;
      } else if (this.#error !== null) throw this.#error;
      else if (this.#ended) return;
      else await this.#change();
    }
  }

  async #stored(at: number): Promise<Buffer> {
    const n = Math.floor(at / pieceBytes);
    const piece =
      n < this.#writer.writtenPieces ? await this.#store.readPiece(this.#key, this.#writer.bodyId, n) : null;
    const from = at - n * pieceBytes;
    if (piece === null || piece.length <= from) throw new BodyGone("the reader is too far behind");
    return piece.subarray(from);
  }

  #remembered(at: number): Buffer {
    let start = this.#tailStart;
    for (const bytes of this.#tail) {
      if (at < start + bytes.length) return bytes.subarray(at - start);
      start += bytes.length;
    }
    throw new BodyGone("the reader is ahead of the body");
  }

  #trim(to: number): void {
    for (let first = this.#tail[0]; first !== undefined; first = this.#tail[0]) {
      if (this.#tailStart + first.length > to) return;
      this.#tailStart += first.length;
      this.#tail.shift();
    }
  }

  #change(): Promise<void> {
    this.#waits++;
    return this.#changed.promise;
  }

  #notify(): void {
    if (this.#waits === 0) return;
    this.#waits = 0;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
