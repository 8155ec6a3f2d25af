import { gzipSync } from "node:zlib";
import type { HeaderLine, HeaderList, StoredResponse } from "@sticky-proxy/core/http";
import { expect } from "chai";
import { droppedWithCoding, readableFor, readReport, withoutCodings } from "./read-report.ts";

const plain = Buffer.from('{"state":"done"}');
const coded = (...more: HeaderLine[]): StoredResponse => ({
  status: 200,
  headers: [["Content-Encoding", "gzip"], ...more],
  body: gzipSync(plain),
});

describe("what a service reports", () => {
  const stateOf = (headers: HeaderList, body: Uint8Array): string | undefined =>
    readReport(headers, body)?.at(["state"]);

  it("is read as JSON, and as form fields where it says so, in any case and with parameters", () => {
    expect(stateOf([], plain)).to.equal('"done"');
    for (const type of [
      "application/x-www-form-urlencoded",
      "Application/X-WWW-Form-Urlencoded ; charset=utf-8",
    ])
      expect(stateOf([["Content-Type", type]], Buffer.from("a=1&state=done")), type).to.equal('"done"');
    expect(readReport([["Content-Type", "text/plain"]], Buffer.from("state=done"))).to.equal(null);
  });

  it("is read through its content coding, and not at all where that cannot be undone", () => {
    expect(stateOf([["Content-Encoding", "gzip"]], gzipSync(plain))).to.equal('"done"');
    expect(readReport([["Content-Encoding", "gzip"]], plain)).to.equal(null);
    expect(readReport([["Content-Encoding", "unheard-of"]], plain)).to.equal(null);
  });
});

describe("a response without its content coding", () => {
  it("has its plain bytes, none of the fields that describe the coded ones, and a weak ETag", () => {
    const byHand = ["content-encoding", "content-length", "content-md5", "content-digest", "digest"];
    expect([...droppedWithCoding]).to.deep.equal(byHand);
    const dropped = byHand.slice(1).map((name): HeaderLine => [name.toUpperCase(), "1"]);
    const found = withoutCodings(coded(...dropped, ["ETag", '"a"'], ["X-Etag", '"a"']));
    expect(found.headers).to.deep.equal([
      ["ETag", 'W/"a"'],
      ["X-Etag", '"a"'],
    ]);
    expect(Buffer.from(found.body).toString()).to.equal(plain.toString());
    expect(withoutCodings(coded(["ETag", 'W/"a"'])).headers).to.deep.equal([["ETag", 'W/"a"']]);
  });

  it("is itself where it has no coding or one that cannot be undone", () => {
    for (const response of [
      { status: 200, headers: [["ETag", '"a"']] as HeaderList, body: plain },
      { ...coded(["ETag", '"a"']), body: plain },
    ])
      expect(withoutCodings(response)).to.equal(response);
  });

  it("is what a client gets that does not take the coding, and no other client", () => {
    const stored = coded();
    expect(readableFor([["Accept-Encoding", "gzip"]], stored)).to.equal(stored);
    for (const accepts of [
      [],
      [["Accept-Encoding", "identity"]],
      [["Accept-Encoding", "gzip;q=0"]],
    ] as HeaderList[])
      expect(Buffer.from(readableFor(accepts, stored).body).toString()).to.equal(plain.toString());
  });
});
