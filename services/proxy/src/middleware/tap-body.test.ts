import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { createBodyTaps } from "./tap-body.ts";

function source(...parts: string[]): Readable {
  return Readable.from(
    parts.map((part) => Buffer.from(part)),
    { objectMode: false },
  );
}

describe("a tap on a body", () => {
  it("gives a copy of the whole once its reader has had it, whichever way it reads", async () => {
    for (const read of [buffer, readByPieces]) {
      const body = source("ab", "cd");
      const { copy } = createBodyTaps(100).tap(body, 10, "a");
      expect((await read(body)).toString()).to.equal("abcd");
      expect(Buffer.from((await copy) as Uint8Array).toString()).to.equal("abcd");
    }
  });

  it("does not start a stream that nobody reads yet", async () => {
    const body = new PassThrough();
    const { copy } = createBodyTaps(100).tap(body, 10, "a");
    body.end("ab");
    await new Promise(setImmediate);
    expect(body.readableFlowing).to.equal(null);
    expect((await buffer(body)).toString()).to.equal("ab");
    expect(await copy).to.deep.equal(Buffer.from("ab"));
  });

  it("copies nothing beyond its bound, and the reader gets everything", async () => {
    const body = source("12345678", "12345678");
    const { copy } = createBodyTaps(100).tap(body, 10, "a");
    expect((await buffer(body)).length).to.equal(16);
    expect(await copy).to.equal("body-too-large");
  });

  it("copies nothing beyond what all may hold, until others have been released", async () => {
    const taps = createBodyTaps(20);
    const first = source("1234567890123456");
    const tap = taps.tap(first, 100, "a");
    await buffer(first);
    await tap.copy;
    const second = source("12345678");
    const refused = taps.tap(second, 100, "b");
    expect((await buffer(second)).length).to.equal(8);
    expect(await refused.copy).to.equal("memory");
    tap.release();
    tap.release();
    const third = source("12345678");
    const taken = taps.tap(third, 100, "b");
    await buffer(third);
    expect(await taken.copy).to.have.length(8);
  });

  it("says that a body broke off, and holds nothing of it", async () => {
    const taps = createBodyTaps(10);
    const body = new PassThrough();
    const { copy } = taps.tap(body, 10, "a");
    body.on("error", () => undefined).resume();
    body.write("123456789");
    await new Promise(setImmediate);
    body.destroy(new Error("cut"));
    expect(await copy).to.equal("broken");
    const next = source("123456789");
    const after = taps.tap(next, 10, "a");
    await buffer(next);
    expect(await after.copy).to.have.length(9);
  });
});

async function readByPieces(body: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}
