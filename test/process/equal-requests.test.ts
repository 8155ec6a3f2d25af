/** An honest retry differs in bytes that mean nothing: it is the same request, on every replica and beside older ones. */
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { FakeUpstream } from "@sticky-proxy/testkit";
import { expect } from "chai";
import { startNodes, type Nodes } from "../support/nodes.ts";
import { suiteStores, type SuiteStore } from "../support/stores.ts";

interface Sent {
  readonly type: string;
  readonly body: string | Uint8Array;
  readonly coding?: string;
  readonly query?: string;
}

const json = '{"page":12}';
const form = (boundary: string): Sent => ({
  type: `multipart/form-data; boundary=${boundary}`,
  body: `--${boundary}\r\nContent-Disposition: form-data; name="page"\r\n\r\n12\r\n--${boundary}\r\nContent-Disposition: form-data; name="scan"; filename="s.png"\r\nContent-Type: image/png\r\n\r\n\x00PNG\r\n--${boundary}--\r\n`,
});
const packed = (coding: string, body: Uint8Array): Sent => ({ type: "application/json", coding, body });
const gzipAt = (second: number): Uint8Array => {
  const body = gzipSync(json);
  body.writeUInt32LE(second, 4); // the time in gzip's own header
  return body;
};
const plain: Sent = { type: "application/json", body: json };

const pairs: readonly [what: string, first: Sent, again: Sent][] = [
  ["a form with another boundary", form("----form-1c9"), form("----form-7e2")],
  ["gzip of another second", packed("gzip", gzipAt(1_700_000_000)), packed("gzip", gzipAt(1_700_000_009))],
  ["gzip and no coding", packed("gzip", gzipSync(json)), plain],
  ["br and deflate", packed("br", brotliCompressSync(json)), packed("deflate", deflateSync(json))],
  [
    "zstd and two codings",
    packed("zstd", zstdCompressSync(json)),
    packed("br, gzip", gzipSync(brotliCompressSync(json))),
  ],
  ["charset=utf-8 on JSON", plain, { ...plain, type: "application/json;charset=utf-8" }],
  [
    "case, blanks and quotes of a charset",
    { ...plain, type: "text/csv; charset=utf-8" },
    { ...plain, type: 'Text/CSV;Charset="UTF-8"' },
  ],
  [
    "a member that does not count",
    { ...plain, body: '{"page":12,"meta":{"nonce":1}}' },
    { ...plain, body: '{"page":12,"meta":{"nonce":2}}' },
  ],
  [
    "a query parameter that does not count",
    { ...plain, query: "?ts=1&a=1" },
    { ...plain, query: "?a=1&ts=2" },
  ],
];

for (const [kind, openSuiteStore] of Object.entries(suiteStores))
  describe(`equal requests, on ${kind}`, () => {
    let suite: SuiteStore;
    let upstream: FakeUpstream;
    let cluster: Nodes;
    let older: Nodes;

    before(async () => {
      upstream = await FakeUpstream.start();
      suite = await openSuiteStore();
      upstream.respond((_request, response) => response.writeHead(201).end("kept"));
      const options = {
        store: suite.store,
        yaml: `
services:
  store:
    instances: [${upstream.origin}]
    routes:
      - match: { path: /keyed }
        process: { identity: key, waitMs: 5000, fingerprintIgnore: { members: [/meta/nonce], query: [ts] } }
      - match: { path: /same }
        process: { identity: request, waitMs: 5000, fingerprintIgnore: { members: [/meta/nonce], query: ["t*"] } }
      - match: { path: /in-header }
        process: { identity: key, keyFrom: { header: X-Request-Id } }
      - match: { path: /in-json }
        process: { identity: key, keyFrom: { json: /order/id } }
      - match: { path: /in-form }
        process: { identity: key, key: optional, keyFrom: { form: nonce } }
`,
      };
      cluster = await startNodes({ ...options, count: 2 });
      older = await startNodes({ ...options, writesCurrentFingerprint: false });
    });
    after(async () => {
      await cluster.close();
      await older.close();
      await upstream.close();
      await suite.close();
    });
    beforeEach(() => (upstream.requests.length = 0));

    let number = 0;
    const send = (node: string, path: string, sent: Sent, headers: Record<string, string> = {}) =>
      fetch(`${node}/store${path}${sent.query ?? ""}`, {
        method: "POST",
        headers: {
          "Content-Type": sent.type,
          ...(sent.coding === undefined ? {} : { "Content-Encoding": sent.coding }),
          ...headers,
        },
        body: sent.body as string,
      });

    /** How often the service was asked, and the last answer's status, when these go out in turn. */
    async function inTurn(path: string, key: string | null, ...requests: (readonly [string, Sent])[]) {
      const statuses: number[] = [];
      for (const [node, sent] of requests) {
        const answer = await send(node, path, sent, key === null ? {} : { "Idempotency-Key": key });
        await answer.arrayBuffer();
        statuses.push(answer.status);
      }
      return { asked: upstream.requests.length, status: statuses.at(-1) };
    }

    for (const [what, first, again] of pairs) {
      it(`${what}: a replay under one key, and one execution without a key`, async () => {
        const [a, b] = [cluster.url(0), cluster.url(1)];
        number += 1;
        expect(await inTurn(`/keyed/${number}`, `${kind}-${number}`, [a, first], [b, again])).to.deep.equal({
          asked: 1,
          status: 201,
        });
        upstream.requests.length = 0;
        expect((await inTurn(`/same/${kind}/${number}`, null, [a, first], [b, again])).asked).to.equal(1);
      });

      it(`${what}: one execution though an older replica's fingerprint is written first or last`, async () => {
        const [now, then] = [cluster.url(0), older.url(0)];
        for (const nodes of [
          [now, then, now],
          [then, now, then],
        ]) {
          number += 1;
          upstream.requests.length = 0;
          const same = nodes.map((node) => [node, first] as const);
          expect((await inTurn(`/same/${kind}/${number}`, null, ...same)).asked, "same bytes").to.equal(1);
          upstream.requests.length = 0;
          const keyed = await inTurn(`/keyed/${number}`, `${kind}-${number}`, ...same);
          expect(keyed, "under a key").to.deep.equal({ asked: 1, status: 201 });
        }
      });
    }

    it("what differs in substance is another request", async () => {
      const other: Sent = { ...plain, body: '{"page":13}' };
      const key = `${kind}-other`;
      expect(
        (await inTurn("/keyed/x", key, [cluster.url(0), plain], [cluster.url(1), other])).status,
      ).to.equal(422);
    });

    it("a coded body that is too large to be decoded is compared by its bytes", async () => {
      const bomb = packed("gzip", gzipSync(Buffer.alloc(9_000_000)));
      const path = `/same/${kind}/bomb`;
      expect((await inTurn(path, null, [cluster.url(0), bomb], [cluster.url(1), bomb])).asked).to.equal(1);
    });

    it("a key in another header field is the key, and goes on where it came", async () => {
      const key = { "X-Request-Id": `h-${kind}` };
      await send(cluster.url(0), "/in-header", plain, key);
      const again = await send(cluster.url(1), "/in-header", plain, key);
      expect(again.headers.get("idempotent-replayed")).to.equal("true");
      expect(upstream.requests.length).to.equal(1);
      const missing = await send(cluster.url(0), "/in-header", plain, { "Idempotency-Key": "k" });
      expect([missing.status, await missing.text()].join()).to.match(/^400.*x-request-id/);
    });

    it("a key in the body is the key: another payload under it is refused, the same one replayed", async () => {
      const body = (id: string, page: number): Sent => ({
        ...plain,
        body: `{"order":{"id":${id}},"page":${page}}`,
      });
      for (const id of [`"j-${kind}"`, kind === "memory" ? "90071992547409931" : "90071992547409935"]) {
        upstream.requests.length = 0;
        await send(cluster.url(0), "/in-json", body(id, 1));
        const again = await send(cluster.url(1), "/in-json", body(id, 1));
        expect([again.status, again.headers.get("idempotent-replayed")]).to.deep.equal([201, "true"]);
        expect((await send(cluster.url(0), "/in-json", body(id, 2))).status).to.equal(422);
        expect(upstream.requests.length).to.equal(1);
      }
      expect((await send(cluster.url(0), "/in-json", plain)).status).to.equal(400);
      expect((await send(cluster.url(0), "/in-json", body("{}", 1))).status).to.equal(400);
      expect((await send(cluster.url(0), "/in-json", body('"a\\"b"', 1))).status).to.equal(400);
    });

    it("a key in a form field is the key, urlencoded and multipart; without it the request is proxied plainly", async () => {
      const fields = (text: string): Sent => ({ type: "application/x-www-form-urlencoded", body: text });
      await send(cluster.url(0), "/in-form", fields(`nonce=u-${kind}&a=1`));
      const again = await send(cluster.url(1), "/in-form", fields(`a=1&nonce=u-${kind}`));
      expect(again.headers.get("idempotent-replayed")).to.equal("true");
      const parts = (boundary: string): Sent => ({
        type: `multipart/form-data; boundary=${boundary}`,
        body: `--${boundary}\r\nContent-Disposition: form-data; name="nonce"\r\n\r\nm-${kind}\r\n--${boundary}--\r\n`,
      });
      await send(cluster.url(0), "/in-form", parts("one"));
      const replayed = await send(cluster.url(1), "/in-form", parts("two"));
      expect(replayed.headers.get("idempotent-replayed")).to.equal("true");
      const keyless = await send(cluster.url(0), "/in-form", fields("a=1"));
      expect([keyless.status, keyless.headers.get("sticky-process-id")]).to.deep.equal([201, null]);
      expect(upstream.requests.at(-1)!.body.toString()).to.equal("a=1");
    });

    it("an equal request under another key is counted and logged, and runs", async () => {
      const [node] = cluster.nodes;
      node!.logged.length = 0;
      const sent = (key: string, page: number) =>
        send(node!.url, "/keyed/drawn", { ...plain, body: `{"page":${page}}` }, { "Idempotency-Key": key });
      const first = await sent(`${kind}-a`, 1);
      await sent(`${kind}-b`, 1);
      await sent(`${kind}-c`, 2);
      expect(upstream.requests.length).to.equal(3);
      const told = node!.logged.filter(({ event }) => event === "request.same-under-other-key");
      expect(told.map(({ fields }) => fields["earlier"])).to.deep.equal([
        first.headers.get("sticky-process-id"),
      ]);
      expect(await node!.metrics.registry.metrics()).to.match(
        /same_request_other_key_total\{[^}]*service="store"[^}]*\} [1-9]/,
      );
    });
  });
