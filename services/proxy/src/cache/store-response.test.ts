import { judge, defaultCachePolicy, pieceBytes } from "@sticky-proxy/core/cache";
import { MemoryCacheStore } from "@sticky-proxy/core/testing";
import type { HeaderList } from "@sticky-proxy/core/http";
import { expect } from "chai";
import { Readable } from "node:stream";
import type { CacheDeps } from "./cache-deps.ts";
import { storeResponse, type Stored } from "./store-response.ts";

const whole = Buffer.alloc(40 * pieceBytes + 100, "x");
const headers: HeaderList = [["Cache-Control", "max-age=60"]];

/** A response on its way; `change` is what happens in the store meanwhile. */
async function begin({
  change = () => Promise.resolve(),
  maxObjectBytes = defaultCachePolicy().maxObjectBytes,
}: {
  change?: (store: MemoryCacheStore) => Promise<void>;
  maxObjectBytes?: number;
}) {
  const policy = { ...defaultCachePolicy(), maxObjectBytes };
  const store = new MemoryCacheStore(() => 1000);
  const waiting = Promise.withResolvers<void>();
  let patience = Promise.withResolvers<void>();
  const sleep = () => {
    waiting.resolve();
    return patience.promise;
  };
  const losePatience = (): void => {
    const lost = patience;
    patience = Promise.withResolvers<void>();
    lost.resolve();
  };
  const observe = { storeError: () => undefined };
  const deps = { store, monotonic: () => 0, observe, sleep } as unknown as CacheDeps;
  const lease = { key: "key", flight: "", token: null };
  const { generation } = await store.begin(lease, null);
  const request = { method: "GET", path: "/", query: null, headers: [] };
  const from = { service: "a", url: "/", generation };
  const judged = judge(request, { status: 200, headers }, policy, { requestAt: 0, responseAt: 0 }, from);
  if (!judged.storable) throw new Error(judged.reason);
  await change(store);
  let ended: Promise<void> | null = null;
  const { body, committed } = await new Promise<Stored>((resolve) => {
    const parts = Array.from({ length: Math.ceil(whole.length / pieceBytes) }, (_, n) =>
      whole.subarray(n * pieceBytes, (n + 1) * pieceBytes),
    );
    const response = { status: 200, headers, body: Readable.from(parts) };
    const { metadata } = judged;
    const client = { address: "192.0.2.1", protocol: "http", host: "h" } as const;
    const storing = {
      request: { key: "key", policy, client },
      lease,
      response,
      metadata,
      outdates: null,
      until: 1,
    };
    ended = storeResponse(deps, { ...storing, ended: () => Promise.resolve() }, resolve);
  });
  const readers = [body.reader(), body.reader()] as const;
  return {
    store,
    body,
    readers,
    committed,
    ended: () => ended,
    waiting: waiting.promise,
    losePatience,
  };
}

async function read(reader: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of reader) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

describe("a response that turns out not to be storable", () => {
  const purge = { change: (its: MemoryCacheStore) => its.drop("key", false) };

  it("is complete for a slow reader although it was purged during the fetch, and its body is then removed", async () => {
    const { store, readers, committed, ended } = await begin(purge);
    expect(await committed).to.equal("purged");
    for (const reader of readers) expect((await read(reader)).equals(whole)).to.equal(true);
    await ended();
    expect(await store.readPiece("key", "1", 0)).to.equal(null);
  });

  it("is removed at once when its readers have left", async () => {
    const { store, readers, committed, ended } = await begin(purge);
    for (const reader of readers) reader.destroy();
    expect(await committed).to.equal("purged");
    await ended();
    expect(await store.readPiece("key", "1", 0)).to.equal(null);
  });

  it("is complete for every reader at the pace of the slowest when it is too large", async () => {
    const { readers, ended } = await begin({ maxObjectBytes: 5 * pieceBytes });
    const [fast, slow] = readers;
    const fastBytes = read(fast);
    expect((await read(slow)).equals(whole)).to.equal(true);
    expect((await fastBytes).equals(whole)).to.equal(true);
    await ended();
  });

  it("disconnects a reader that delays the others for too long when it is too large", async () => {
    const { body, readers, ended, waiting, losePatience } = await begin({ maxObjectBytes: 5 * pieceBytes });
    const [fast, slow] = readers;
    let taken = 0;
    fast.on("data", (part: Buffer) => (taken += part.length));
    await waiting;
    while (taken < body.length) await new Promise((resolve) => setImmediate(resolve));
    losePatience();
    await new Promise((resolve) => fast.once("end", resolve));
    expect(taken).to.equal(whole.length);
    let message = "";
    await read(slow).catch((error: Error) => (message = error.message));
    expect(message).to.match(/delayed the others/);
    await ended();
  });

  it("disconnects the next reader that stalls as well when it is too large", async () => {
    const { body, readers, ended, waiting, losePatience } = await begin({ maxObjectBytes: 5 * pieceBytes });
    const late = body.reader();
    await waiting;
    losePatience(); // all stand still: one of them is cut off
    let taken = 0;
    late.on("data", (part: Buffer) => (taken += part.length));
    while (taken < body.length) await new Promise((resolve) => setImmediate(resolve));
    losePatience();
    await new Promise((resolve) => late.once("end", resolve));
    expect(taken).to.equal(whole.length);
    const cut = await Promise.allSettled(readers.map(read));
    expect(cut.map(({ status }) => status)).to.deep.equal(["rejected", "rejected"]);
    await ended();
  });
});
