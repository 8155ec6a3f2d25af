import { MemoryCacheStore } from "@sticky-proxy/core/testing";
import { pieceBytes, type BodyWriter } from "@sticky-proxy/core/cache";
import { expect } from "chai";
import type { Readable } from "node:stream";
import { SharedBody } from "./shared-body.ts";

const bytes = Buffer.alloc(5 * pieceBytes + 100);
for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 13 + (i >> 8)) & 0xff;

async function readAll(readable: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of readable) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

describe("a shared response body", () => {
  let store: MemoryCacheStore;
  let writer: BodyWriter;
  let body: SharedBody;
  beforeEach(() => {
    store = new MemoryCacheStore(() => 0);
    writer = store.openBody("key");
    body = new SharedBody(store, "key", writer);
  });
  async function pass(from: number, to: number): Promise<void> {
    const part = bytes.subarray(from, to);
    body.give(part);
    if (body.isStoring) await writer.append(part);
    body.release();
    await body.room();
  }
  async function passAll(step = 50_000): Promise<void> {
    for (let at = 0; at < bytes.length; at += step) await pass(at, Math.min(at + step, bytes.length));
    await writer.end();
    body.end();
  }

  it("is identical for every reader, whenever the reader joins and however slow it is", async () => {
    const early = readAll(body.reader());
    const slow = body.reader(); // nobody reads it until the end
    await passAll();
    const late = readAll(body.reader());
    expect((await early).equals(bytes)).to.equal(true);
    expect((await readAll(slow)).equals(bytes)).to.equal(true);
    expect((await late).equals(bytes)).to.equal(true);
  });

  it("keeps at most one piece in memory while it is stored", async () => {
    let inMemory = 0;
    for (let at = 0; at < bytes.length; at += 10_000) {
      await pass(at, Math.min(at + 10_000, bytes.length));
      inMemory = Math.max(inMemory, body.length - writer.writtenPieces * pieceBytes);
    }
    expect(inMemory).to.be.below(2 * pieceBytes);
  });

  it("continues at the reader's pace after storing has stopped", async () => {
    const reader = body.reader();
    await pass(0, 150_000);
    body.stopStoring();
    let passed = 150_000;
    const rest = (async () => {
      for (; passed < bytes.length; passed += 10_000)
        await pass(passed, Math.min(passed + 10_000, bytes.length));
      body.end();
    })();
    await new Promise((resolve) => setImmediate(resolve));
    expect(passed).to.be.below(bytes.length); // nobody has read a byte yet
    expect((await readAll(reader)).equals(bytes)).to.equal(true);
    await rest;
  });

  describe("with several readers after storing has stopped", () => {
    const mebibyte = 1024 * 1024;
    /** Gives until there is no room; more than that is never in memory. */
    async function fill(): Promise<number> {
      let given = 0;
      for (; body.hasRoom; given += pieceBytes) {
        body.give(Buffer.alloc(pieceBytes));
        body.release();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return given;
    }

    it("waits for the slowest reader, which gets the complete body", async () => {
      const fast = readAll(body.reader());
      const slow = body.reader();
      body.stopStoring();
      const given = await fill();
      expect(given).to.equal(mebibyte);
      const slowBytes = readAll(slow);
      await body.room();
      body.end();
      expect((await slowBytes).length).to.equal(given);
      expect((await fast).length).to.equal(given);
    });

    it("does not wait for a slow reader that can read from the store", async () => {
      const slow = body.reader();
      const fast = readAll(body.reader());
      await pass(0, 3 * pieceBytes);
      body.stopStoring();
      expect(await fill()).to.equal(mebibyte);
      const slowBytes = readAll(slow);
      await body.room();
      body.end();
      expect((await slowBytes).length).to.equal(3 * pieceBytes + mebibyte);
      expect((await fast).length).to.equal(3 * pieceBytes + mebibyte);
    });

    it("disconnects readers that delay others, and only the slowest when all are slow", async () => {
      const fast = readAll(body.reader());
      const slow = body.reader();
      body.stopStoring();
      await fill();
      body.cutSlowest();
      await body.room();
      let message = "";
      await readAll(slow).catch((error: Error) => (message = error.message));
      expect(message).to.match(/delayed the others/);
      body.end();
      expect((await fast).length).to.equal(mebibyte);
    });

    it("never disconnects the only reader", async () => {
      const only = body.reader();
      body.stopStoring();
      const given = await fill();
      body.cutSlowest();
      body.end();
      expect((await readAll(only)).length).to.equal(given);
    });
  });

  it("is useless when it is not stored and has no readers", async () => {
    const reader = body.reader();
    await pass(0, 1000);
    body.stopStoring();
    expect(body.isUseless).to.equal(false);
    reader.destroy();
    await new Promise((resolve) => reader.once("close", resolve));
    expect(body.isUseless).to.equal(true);
    await body.room();
  });

  it("fails for every reader when its source fails", async () => {
    const reader = body.reader();
    await pass(0, 1000);
    body.fail(new Error("reset"));
    let message = "";
    await readAll(reader).catch((error: Error) => (message = error.message));
    expect(message).to.equal("reset");
  });

  it("gives every byte that came before its source failed, also to a reader that joins late, and then fails", async () => {
    const early = body.reader();
    await pass(0, 1000);
    await pass(1000, pieceBytes + 10);
    body.fail(new Error("reset"));
    for (const reader of [early, body.reader()]) {
      const got: Buffer[] = [];
      let failed = false;
      try {
        for await (const part of reader) got.push(part as Buffer);
      } catch {
        failed = true;
      }
      expect(failed, "cut off, not ended").to.equal(true);
      expect(Buffer.concat(got).equals(bytes.subarray(0, pieceBytes + 10))).to.equal(true);
    }
  });
});
