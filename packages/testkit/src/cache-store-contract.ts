/** Contract of every store of the shared cache: run with the memory store and with Redis, over one and several connections. */
import {
  maxSegments,
  maxTags,
  type CacheStore,
  pieceBytes,
  type CommitOptions,
  type FetchLease,
  type StoredMetadata,
  variantOf,
} from "@sticky-proxy/core/cache";
import type { HeaderList } from "@sticky-proxy/core/http";
import { expect } from "chai";

/** `stores`: two connections to one empty store, as of two replicas. */
export type OpenCacheStores = () => Promise<{
  stores: readonly [CacheStore, CacheStore];
  close: () => Promise<void>;
}>;

let serial = 0;
const freshKey = (): string => `key-${process.pid}-${++serial}`;
const plain: HeaderList = [];
const by = (request: HeaderList) => (names: readonly string[]) => variantOf(request, names);
const leaseOf = (key: string, token: string | null = null): FetchLease => ({ key, flight: "f", token });

function metadata(changes: Partial<StoredMetadata> = {}): StoredMetadata {
  return {
    url: "http://h/x",
    status: 200,
    headers: [
      ["ETag", '"é"'],
      ["Cache-Control", "max-age=60"],
    ],
    bodyId: null,
    bodyBytes: 0,
    varyNames: [],
    variant: "",
    selectors: ["a", "v:s", "t:red"],
    generation: 0,
    responseAt: 0,
    initialAgeMs: 0,
    lifetimeMs: 60_000,
    lifetimeFrom: "max-age",
    dateAt: 0,
    noCache: false,
    neverStale: false,
    staleWhileRevalidateMs: null,
    staleIfErrorMs: null,
    sharedWithAuthorization: false,
    retainMs: 60_000,
    ...changes,
  };
}

export function cacheStoreContract(name: string, open: OpenCacheStores): void {
  describe(`${name} is a cache store`, () => {
    let a: CacheStore;
    let b: CacheStore;
    let close: () => Promise<void>;
    before(async () => {
      ({
        stores: [a, b],
        close,
      } = await open());
    });
    after(() => close());

    async function store(
      key: string,
      changes: Partial<StoredMetadata> = {},
      more: Partial<CommitOptions> = {},
    ) {
      const { generation, now } = await a.begin(leaseOf(key), null);
      const kept = metadata({ generation, responseAt: now, ...changes });
      const word = await a.commit({
        lease: leaseOf(key),
        metadata: kept,
        replaces: null,
        maxVariants: 3,
        ...more,
      });
      return { word, kept };
    }
    const found = async (key: string, request: HeaderList = plain) =>
      (await b.lookup(key, by(request))).stored;
    async function write(key: string, bytes: Uint8Array): Promise<string> {
      const writer = a.openBody(key);
      await writer.append(bytes);
      await writer.end();
      return writer.bodyId;
    }
    async function read(key: string, bodyId: string, first: number, last: number): Promise<Buffer> {
      const parts: Buffer[] = [];
      const from = Math.floor(first / pieceBytes);
      for (let n = from; n * pieceBytes <= last; n++)
        parts.push((await b.readPiece(key, bodyId, n)) ?? expect.fail("a piece is missing"));
      return Buffer.concat(parts).subarray(first - from * pieceBytes, last - from * pieceBytes + 1);
    }

    it("a look-up finds nothing for a key that was never stored", async () => {
      const lookup = await a.lookup(freshKey(), by(plain));
      expect(lookup).to.deep.include({ stored: null, otherVariants: false, unshareable: null, revision: 0 });
      expect(lookup.now).to.be.closeTo(Date.now(), 60_000);
    });

    it("one replica finds unchanged what another one stored", async () => {
      const key = freshKey();
      const { word, kept } = await store(key);
      expect(word).to.equal("stored");
      expect(await found(key)).to.deep.equal(kept);
      expect((await b.lookup(key, by(plain))).revision).to.be.above(0);
    });

    it("C1: a body is invisible before its commit and byte for byte the same after it", async () => {
      const key = freshKey();
      const body = Buffer.alloc(9 * pieceBytes + 77);
      for (let i = 0; i < body.length; i++) body[i] = (i * 7 + (i >> 8)) & 0xff;
      const writer = a.openBody(key);
      for (let at = 0; at < body.length; at += 100_003) await writer.append(body.subarray(at, at + 100_003));
      await writer.end();
      expect(await found(key)).to.equal(null);
      await store(key, { bodyId: writer.bodyId, bodyBytes: body.length });
      expect(await found(key)).to.include({ bodyId: writer.bodyId, bodyBytes: body.length });
      expect((await read(key, writer.bodyId, 0, body.length - 1)).equals(body)).to.equal(true);
      const part = await read(key, writer.bodyId, pieceBytes - 3, pieceBytes + 4);
      expect(part.equals(body.subarray(pieceBytes - 3, pieceBytes + 5))).to.equal(true);
    });

    it("C1: a commit without the body stores nothing", async () => {
      const key = freshKey();
      expect((await store(key, { bodyId: "never-written", bodyBytes: 10 })).word).to.equal("gone");
      expect(await found(key)).to.equal(null);
    });

    it("C1: a commit of a body shorter than its length stores nothing", async () => {
      const key = freshKey();
      const writer = a.openBody(key);
      await writer.append(Buffer.from("12345"));
      await writer.end();
      expect((await store(key, { bodyId: writer.bodyId, bodyBytes: 6 })).word).to.equal("gone");
      expect((await store(key, { bodyId: writer.bodyId, bodyBytes: 5 })).word).to.equal("stored");
    });

    it("an abandoned body is removed", async () => {
      const key = freshKey();
      const writer = a.openBody(key);
      await writer.append(Buffer.alloc(pieceBytes));
      expect(writer.writtenPieces).to.equal(1);
      await writer.abandon();
      expect(await b.readPiece(key, writer.bodyId, 0)).to.equal(null);
    });

    it("C4: an older response does not replace a newer one", async () => {
      const key = freshKey();
      const { now } = await a.begin(leaseOf(key), null);
      const { kept } = await store(key, { url: "newer", responseAt: now - 10 });
      expect((await store(key, { url: "older", responseAt: now - 11 })).word).to.equal("older");
      expect(await found(key)).to.deep.equal(kept);
      expect((await store(key, { url: "as new", responseAt: now - 10 })).word).to.equal("stored");
    });

    it("C4: an older variant is not preferred to a newer one that the same request selects", async () => {
      const key = freshKey();
      const { now } = await a.begin(leaseOf(key), null);
      const variant = variantOf(plain, ["x"]);
      const { kept } = await store(key, { varyNames: ["x"], variant, responseAt: now - 10 });
      expect((await store(key, { responseAt: now - 11 })).word).to.equal("stored");
      expect(await found(key)).to.deep.equal(kept);
    });

    it("C4: a response from a clock that went back does not block later ones", async () => {
      const key = freshKey();
      const { now } = await a.begin(leaseOf(key), null);
      await store(key, { url: "future", responseAt: now + 3_600_000 });
      expect((await store(key, { url: "now", responseAt: now })).word).to.equal("stored");
      expect(await found(key)).to.include({ url: "now" });
    });

    it("variants are stored side by side, and a request that selects none is a vary-miss", async () => {
      const key = freshKey();
      const en: HeaderList = [["Accept-Language", "en"]];
      const de: HeaderList = [["Accept-Language", "de"]];
      const names = ["accept-language"];
      await store(key, { varyNames: names, variant: variantOf(en, names), status: 201 });
      expect(await b.lookup(key, by(de))).to.deep.include({ stored: null, otherVariants: true });
      await store(key, { varyNames: names, variant: variantOf(de, names), status: 202 });
      expect((await found(key, en))?.status).to.equal(201);
      expect((await found(key, de))?.status).to.equal(202);
      expect((await b.lookup(key, by(plain))).varyNames).to.deep.equal(names);
    });

    it("a response without Vary is found when no variant is, and replaces the one that its request selected (RFC 9111 4.1)", async () => {
      const key = freshKey();
      const foo = (value: string): HeaderList => [["Foo", value]];
      const varying = (value: string) => ({
        varyNames: ["foo"],
        variant: variantOf(foo(value), ["foo"]),
        status: 203,
      });
      const { kept } = await store(key, varying("1"));
      await store(key);
      expect((await found(key, foo("1")))?.status).to.equal(203);
      expect((await found(key, foo("2")))?.status).to.equal(200);
      expect((await b.lookup(key, by(foo("2")))).varyNames).to.deep.equal(["foo"]);
      await store(key, varying("2"));
      await store(key, {}, { outdates: kept });
      expect((await found(key, foo("1")))?.status).to.equal(200);
      expect((await found(key, foo("2")))?.status).to.equal(203);
    });

    it("of too many variants the newest are kept, and one that replaces another takes nobody's place", async () => {
      const key = freshKey();
      const kept = async (): Promise<string[]> => {
        const view = await a.inspect(key);
        return view!.variants.map(({ metadata }) => metadata.variant).toSorted();
      };
      for (const variant of ["1", "2", "3"])
        expect((await store(key, { varyNames: ["x"], variant })).word).to.equal("stored");
      expect((await store(key, { varyNames: ["x"], variant: "2" })).word).to.equal("stored");
      expect(await kept()).to.deep.equal(["1", "2", "3"]);
      expect((await store(key, { varyNames: ["x"], variant: "4" })).word).to.equal("stored");
      expect(await kept()).to.deep.equal(["2", "3", "4"]);
    });

    it("finds the keys that were stored for a URL, whatever the scheme", async () => {
      const key = freshKey();
      await store(key, { url: `http://shop.example/${key}?a=1` });
      expect(await a.keysOfUrl(`https://SHOP.example/${key}?a=1#top`)).to.deep.equal([key]);
      expect(await a.keysOfUrl(`/${key}?a=1`)).to.deep.equal([key]);
      for (const other of [`http://other.example/${key}?a=1`, `http://shop.example/${key}`, "nonsense"])
        expect(await a.keysOfUrl(other), other).to.deep.equal([]);
    });

    it("freshening rewrites only the metadata, and the variant when the names of Vary change", async () => {
      const key = freshKey();
      const bodyId = await write(key, Buffer.from("hello"));
      const { kept } = await store(key, { bodyId, bodyBytes: 5 });
      const fresher = {
        ...kept,
        lifetimeMs: 120_000,
        varyNames: ["x"],
        variant: variantOf([["x", "1"]], ["x"]),
      };
      const lease = leaseOf(key);
      expect(await a.commit({ lease, metadata: fresher, replaces: kept, maxVariants: 3 })).to.equal("stored");
      expect(await found(key)).to.equal(null);
      expect((await found(key, [["x", "1"]]))?.lifetimeMs).to.equal(120_000);
      expect((await read(key, bodyId, 0, 4)).toString()).to.equal("hello");
    });

    it("a response that was replaced meanwhile cannot be freshened", async () => {
      const key = freshKey();
      const { kept } = await store(key, { bodyId: await write(key, Buffer.from("one")), bodyBytes: 3 });
      await store(key, { bodyId: await write(key, Buffer.from("two")), bodyBytes: 3, status: 203 });
      const word = await a.commit({ lease: leaseOf(key), metadata: kept, replaces: kept, maxVariants: 3 });
      expect(word).to.equal("gone");
      expect((await found(key))?.status).to.equal(203);
    });

    describe("fetch leases", () => {
      it("a lease is granted to one of two nodes, and to the other after its end", async () => {
        const key = freshKey();
        expect((await a.begin(leaseOf(key, "one"), 60_000)).granted).to.equal(true);
        expect((await b.begin(leaseOf(key, "two"), 60_000)).granted).to.equal(false);
        await a.finish(leaseOf(key, "one"), "failed");
        expect((await b.begin(leaseOf(key, "two"), 60_000)).granted).to.equal(true);
      });
      it("a renewed lease lasts for the new time, and only its holder can renew it", async () => {
        const key = freshKey();
        await a.begin(leaseOf(key, "one"), 60_000);
        await b.renew(leaseOf(key, "two"), 1);
        expect((await b.begin(leaseOf(key, "two"), 60_000)).granted).to.equal(false);
        await a.renew(leaseOf(key, "one"), 1);
        while (!(await b.begin(leaseOf(key, "two"), 60_000)).granted);
        await b.finish(leaseOf(key, "two"), "failed");
        await a.renew(leaseOf(key, "one"), 60_000);
        expect((await b.begin(leaseOf(key, "two"), 60_000)).granted).to.equal(true);
      });
      it("a node that lost its lease can neither commit nor release its successor's lease", async () => {
        const key = freshKey();
        const first = await a.begin(leaseOf(key, "one"), 60_000);
        await a.finish(leaseOf(key, "one"), "failed");
        await b.begin(leaseOf(key, "two"), 60_000);
        const kept = metadata({ generation: first.generation });
        const word = await a.commit({
          lease: leaseOf(key, "one"),
          metadata: kept,
          replaces: null,
          maxVariants: 3,
        });
        expect(word).to.equal("lease-lost");
        await a.finish(leaseOf(key, "one"), "stored");
        expect((await a.begin(leaseOf(key, "three"), 60_000)).granted).to.equal(false);
      });
      it("a lease from before a purge does not delay requests after the purge", async () => {
        const key = freshKey();
        await a.begin(leaseOf(key, "one"), 60_000);
        await b.drop(key, false);
        expect((await b.begin(leaseOf(key, "two"), 60_000)).granted).to.equal(true);
      });
      it("a waiting node is notified of how the fetch ended", async () => {
        const key = freshKey();
        await a.begin(leaseOf(key, "one"), 60_000);
        const watch = await b.watch(key, "f");
        await a.finish(leaseOf(key, "one"), "not-storable");
        expect(await watch.notice).to.equal("not-storable");
        watch.close();
      });
      it("a commit releases the lease and notifies the waiting nodes", async () => {
        const key = freshKey();
        const { generation } = await a.begin(leaseOf(key, "one"), 60_000);
        const watch = await b.watch(key, "f");
        expect((await store(key, { generation }, { lease: leaseOf(key, "one") })).word).to.equal("stored");
        expect(await watch.notice).to.equal("stored");
        watch.close();
        expect((await b.begin(leaseOf(key, "two"), 60_000)).granted).to.equal(true);
      });
      it("the start of a fetch shows that something was stored since the look-up", async () => {
        const key = freshKey();
        const before = await b.lookup(key, by(plain));
        await store(key);
        expect((await b.begin(leaseOf(key), null)).revision).to.not.equal(before.revision);
      });
    });

    describe("purges", () => {
      it("a hard purge removes the responses with the selector, and nothing else", async () => {
        const [red, blue] = [freshKey(), freshKey()];
        const selector = `t:${red}`;
        await store(red, { selectors: ["a", selector] });
        await store(blue, { selectors: ["a"] });
        expect((await a.purge(selector, false)).missing).to.deep.equal([]);
        expect(await found(red)).to.equal(null);
        expect(await found(blue)).to.not.equal(null);
        await store(red, { selectors: ["a", selector] });
        expect(await found(red)).to.not.equal(null);
      });
      it("a response with as many selectors as may be stored is found, and removed by the last of them", async () => {
        const key = freshKey();
        const prefixes = Array.from({ length: maxSegments + 1 }, (_, i) => `p:s:${"/x".repeat(i)}`);
        const tags = Array.from({ length: maxTags }, (_, i) => `t:${key}${i}`);
        const selectors = ["a", "v:s", ...prefixes, ...tags];
        expect((await store(key, { selectors })).word).to.equal("stored");
        expect(await found(key)).to.not.equal(null);
        await a.purge(tags.at(-1)!, false);
        expect(await found(key)).to.equal(null);
      });
      it("a soft purge makes a response stale from now", async () => {
        const key = freshKey();
        await store(key, { selectors: [`t:${key}`] });
        await a.purge(`t:${key}`, true);
        const lookup = await b.lookup(key, by(plain));
        expect(lookup.stored).to.not.equal(null);
        expect(lookup.softPurgedAt).to.be.closeTo(lookup.now, 5000);
      });
      it("a soft purge does not undo a hard purge", async () => {
        const key = freshKey();
        await store(key, { selectors: [`t:${key}`] });
        await a.purge(`t:${key}`, false);
        await a.purge(`t:${key}`, true);
        expect(await found(key)).to.equal(null);
      });
      it("C2: a purge prevents the commit of a fetch that began before it", async () => {
        const key = freshKey();
        const { generation } = await a.begin(leaseOf(key), null);
        await b.purge(`t:${key}`, false);
        expect((await store(key, { generation, selectors: [`t:${key}`] })).word).to.equal("purged");
        expect(await found(key)).to.equal(null);
      });
      it("C2: a drop of the key, hard or soft, prevents the reuse of a fetch that began before it", async () => {
        const hard = freshKey();
        const soft = freshKey();
        const starts = [await a.begin(leaseOf(hard), null), await a.begin(leaseOf(soft), null)];
        await b.drop(hard, false);
        await b.drop(soft, true);
        expect((await store(hard, { generation: starts[0]?.generation ?? 0 })).word).to.equal("purged");
        await store(soft, { generation: starts[1]?.generation ?? 0 });
        expect((await a.lookup(soft, by(plain))).softPurgedAt).to.not.equal(null);
      });
      it("a drop of a key removes all its variants, and the key can be stored again", async () => {
        const key = freshKey();
        await store(key, { varyNames: ["x"], variant: "1" });
        await store(key, { varyNames: ["x"], variant: "2" });
        await b.drop(key, false);
        expect(await a.lookup(key, by(plain))).to.deep.include({ stored: null, otherVariants: false });
        expect(await a.inspect(key)).to.equal(null);
        expect((await store(key)).word).to.equal("stored");
      });
    });

    it("a hit-for-miss marker lasts until something is stored", async () => {
      const key = freshKey();
      await a.markUnshareable(key, "no-store", 60_000);
      expect((await b.lookup(key, by(plain))).unshareable).to.equal("no-store");
      expect((await b.inspect(key))?.notStored).to.equal("no-store");
      await store(key);
      expect((await b.lookup(key, by(plain))).unshareable).to.equal(null);
    });

    it("inspecting a key shows its variants, hits and bytes", async () => {
      const key = freshKey();
      const before = await a.totalBytes();
      await store(key, {
        bodyId: await write(key, Buffer.alloc(1000)),
        bodyBytes: 1000,
        url: "http://h/top",
      });
      await a.recordHits(new Map([[key, 1_000_000]]));
      const view = await b.inspect(key);
      expect(view?.hits).to.equal(1_000_000);
      expect(view?.variants.map(({ metadata: { bodyBytes } }) => bodyBytes)).to.deep.equal([1000]);
      const [top] = await b.top(1);
      expect(top).to.deep.include({ key, url: "http://h/top", hits: 1_000_000 });
      // As the store counts them: what it takes beside the body may be among them.
      expect(top?.bytes).to.be.within(1000, 10_000);
      expect((await a.totalBytes()) - before).to.equal(top?.bytes);
      await a.drop(key, false);
      expect(await a.totalBytes()).to.equal(before);
    });
  });
}
