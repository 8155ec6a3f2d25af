import type { Readable } from "node:stream";
import { pieceBytes, type StoredMetadata } from "@sticky-proxy/core/cache";
import type { HeaderList } from "@sticky-proxy/core/http";
import { BodyGone } from "@sticky-proxy/engine";
import { expect } from "chai";
import { storedReply } from "./stored-reply.ts";
import { createCacheWorld, storeFresh } from "./testing.ts";

const content = Array.from({ length: 3 * pieceBytes + 5 }, (_, i) => String.fromCharCode(97 + (i % 23))).join(
  "",
);

async function world(changes: Partial<StoredMetadata> = {}, body = content) {
  const cache = createCacheWorld();
  const stored = await storeFresh(cache, changes, body);
  const reply = (headers: HeaderList = [], method = "GET") =>
    storedReply(cache.store, cache.request(headers, method).head, cache.key, stored, cache.clock.now());
  return { ...cache, stored, reply };
}

/** What was read, and whether it was cut off. */
async function read(body: unknown): Promise<{ text: string; isCut: boolean }> {
  if (body === null || Buffer.isBuffer(body)) return { text: String(body ?? ""), isCut: false };
  const parts: Buffer[] = [];
  try {
    for await (const part of body as Readable) parts.push(part as Buffer);
  } catch {
    return { text: Buffer.concat(parts).toString(), isCut: true };
  }
  return { text: Buffer.concat(parts).toString(), isCut: false };
}

const lengthOf = (headers: HeaderList): string | undefined =>
  headers.find(([name]) => name === "Content-Length")?.[1];

describe("a reply from a stored response", () => {
  const sizes = [1, 5, pieceBytes - 1, pieceBytes, pieceBytes + 1, 2 * pieceBytes, content.length];
  for (const size of sizes)
    it(`of ${size} bytes is whole, whether it is sent at once or in pieces`, async () => {
      const { reply } = await world({}, content.slice(0, size));
      const { status, headers, body } = await reply();
      expect([status, lengthOf(headers)]).to.deep.equal([200, String(size)]);
      expect(await read(body)).to.deep.equal({ text: content.slice(0, size), isCut: false });
    });

  const ranges: readonly (readonly [first: number, last: number])[] = [
    [0, 0],
    [0, pieceBytes - 1],
    [pieceBytes - 1, pieceBytes],
    [pieceBytes, 2 * pieceBytes + 3],
    [7, content.length - 1],
  ];
  for (const [first, last] of ranges)
    it(`has exactly the bytes from ${first} to ${last} where they were asked for`, async () => {
      const { reply } = await world();
      const { status, headers, body } = await reply([["Range", `bytes=${first}-${last}`]]);
      expect(status).to.equal(206);
      expect(headers).to.deep.include(["Content-Range", `bytes ${first}-${last}/${content.length}`]);
      expect(lengthOf(headers)).to.equal(String(last - first + 1));
      expect(await read(body)).to.deep.equal({ text: content.slice(first, last + 1), isCut: false });
    });

  it("from a stored part is cut where the range lies in the part, and names its place in the whole", async () => {
    const headers: HeaderList = [["Content-Range", "bytes 10-19/100"]];
    const { reply } = await world({ status: 206, headers }, "0123456789");
    const found = await reply([["Range", "bytes=12-14"]]);
    expect([found.status, lengthOf(found.headers)]).to.deep.equal([206, "3"]);
    expect(found.headers.filter(([name]) => name === "Content-Range")).to.deep.equal([
      ["Content-Range", "bytes 12-14/100"],
    ]);
    expect(await read(found.body)).to.deep.equal({ text: "234", isCut: false });
  });

  it("has no body for HEAD, a 304 and a 416", async () => {
    const { reply } = await world({}, "stored");
    const head = await reply([], "HEAD");
    expect([head.status, lengthOf(head.headers), head.body]).to.deep.equal([200, "6", null]);
    const current = await reply([["If-None-Match", '"1"']]);
    expect([current.status, lengthOf(current.headers), current.body]).to.deep.equal([304, undefined, null]);
    const beyond = await reply([["Range", "bytes=6-"]]);
    expect([beyond.status, lengthOf(beyond.headers), beyond.body]).to.deep.equal([416, "0", null]);
    expect(beyond.headers).to.deep.include(["Content-Range", "bytes */6"]);
  });

  for (const gone of [0, 1, 3])
    it(`whose piece ${gone} is gone is ${gone === 0 ? "not begun, so that it can be fetched" : "cut off, never ended"}`, async () => {
      const { reply, store } = await world();
      const { readPiece } = store;
      store.readPiece = (key, id, n) =>
        n === gone ? Promise.resolve(null) : readPiece.call(store, key, id, n);
      if (gone === 0) {
        expect(await reply().catch((error: unknown) => error)).to.be.instanceOf(BodyGone);
        return;
      }
      const { body } = await reply();
      expect(await read(body)).to.deep.equal({ text: content.slice(0, gone * pieceBytes), isCut: true });
    });

  it("whose piece is shorter than it should be is not begun", async () => {
    const { reply, store } = await world({}, "stored");
    store.readPiece = () => Promise.resolve(Buffer.from("store"));
    expect(await reply().catch((error: unknown) => error)).to.be.instanceOf(BodyGone);
  });
});
