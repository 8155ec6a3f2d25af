import { judge, defaultCachePolicy, MemoryCacheStore, pieceBytes, type HeaderList } from "@sticky-proxy/core";
import { expect } from "chai";
import { Readable } from "node:stream";
import type { CacheDeps } from "./cache-deps.ts";
import { storeResponse, type Stored } from "./store-response.ts";

const whole = Buffer.alloc(5 * pieceBytes + 100, "x");
const policy = defaultCachePolicy();
const headers: HeaderList = [["Cache-Control", "max-age=60"]];

/** A response on its way; `commit` is what the store says to it in the end. */
async function begin(change: (store: MemoryCacheStore) => Promise<void>) {
  const store = new MemoryCacheStore(() => 1000);
  const deps = {
    store,
    monotonic: () => 0,
    observe: { storeError: () => undefined },
  } as unknown as CacheDeps;
  const lease = { key: "key", flight: "", token: null };
  const { generation } = await store.begin(lease, null);
  const request = { method: "GET", path: "/", query: null, headers: [] };
  const from = { service: "a", url: "/", generation };
  const judged = judge(request, { status: 200, headers }, policy, { requestAt: 0, responseAt: 0 }, from);
  if (!judged.storable) throw new Error(judged.reason);
  await change(store);
  let ended: Promise<void> | null = null;
  const { body, committed } = await new Promise<Stored>((resolve) => {
    const parts = Array.from({ length: 6 }, (_, n) => whole.subarray(n * pieceBytes, (n + 1) * pieceBytes));
    const response = { status: 200, headers, body: Readable.from(parts) };
    const storing = { request: { key: "key", policy }, lease, response, metadata: judged.metadata, until: 1 };
    ended = storeResponse(deps, { ...storing, ended: () => Promise.resolve() }, resolve);
  });
  return { store, reader: body.reader(), committed, ended: () => ended };
}

async function read(reader: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of reader) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

describe("a response that could not be stored in the end", () => {
  it("a slow reader gets it whole although it was purged meanwhile; then it is forgotten", async () => {
    const { store, reader, committed, ended } = await begin((its) => its.drop("key", false));
    expect(await committed).to.equal("purged");
    expect((await read(reader)).equals(whole)).to.equal(true);
    await ended();
    expect(await store.readPiece("key", "1", 0)).to.equal(null);
  });

  it("one whose reader has left is forgotten at once", async () => {
    const { store, reader, committed, ended } = await begin((its) => its.drop("key", false));
    reader.destroy();
    expect(await committed).to.equal("purged");
    await ended();
    expect(await store.readPiece("key", "1", 0)).to.equal(null);
  });
});
