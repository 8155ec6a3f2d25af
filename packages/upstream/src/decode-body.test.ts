import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { expect } from "chai";
import { decodeBody } from "./decode-body.ts";

const bounds = { maxBytes: 100_000, maxRatio: 1000 };
const text = Buffer.from('{"status":"Running"}');
const coded = (coding: string, body: Uint8Array) => decodeBody([["Content-Encoding", coding]], body, bounds);

describe("decoding a body", () => {
  for (const [coding, body] of [
    ["identity", text],
    ["gzip", gzipSync(text)],
    ["GZIP", gzipSync(text)],
    ["x-gzip", gzipSync(text)],
    ["deflate", deflateSync(text)],
    ["br", brotliCompressSync(text)],
    ["zstd", zstdCompressSync(text)],
    ["deflate, gzip", gzipSync(deflateSync(text))],
  ] as const)
    it(`decodes ${coding} to the original text`, () => {
      const decoded = coded(coding, body);
      expect(decoded.kind === "decoded" && Buffer.from(decoded.body).toString()).to.equal(text.toString());
    });

  for (const [what, coding, body] of [
    ["an unknown coding", "sdch", text],
    ["bytes that are no gzip", "gzip", text],
    ["half of a gzip", "gzip", gzipSync(text).subarray(0, 12)],
    ["four codings on each other", "gzip, gzip, gzip, gzip", gzipSync(gzipSync(gzipSync(gzipSync(text))))],
  ] as const)
    it(`refuses ${what}`, () => {
      expect(coded(coding, body).kind).to.equal("unreadable");
    });

  it("refuses a body whose decoded size is beyond the limit in bytes or in ratio", () => {
    expect(coded("gzip", gzipSync(Buffer.alloc(200_000))).kind).to.equal("too-large");
    const bomb = gzipSync(Buffer.alloc(90_000));
    expect(decodeBody([["Content-Encoding", "gzip"]], bomb, { ...bounds, maxRatio: 2 }).kind).to.equal(
      "too-large",
    );
  });
});
