import { once } from "node:events";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect } from "chai";
import { tapBody } from "./tap-body.ts";

describe("tapBody", () => {
  it("passes every byte on and gives a copy of the whole", async () => {
    const { body, copy } = tapBody(
      Readable.from([Buffer.from("ab"), Buffer.from("cd")], { objectMode: false }),
      10,
    );
    expect((await buffer(body)).toString()).to.equal("abcd");
    expect(Buffer.from(await copy).toString()).to.equal("abcd");
  });

  it("copies nothing beyond its bound, and still passes everything on", async () => {
    const { body, copy } = tapBody(
      Readable.from([Buffer.alloc(8), Buffer.alloc(8)], { objectMode: false }),
      10,
    );
    expect((await buffer(body)).length).to.equal(16);
    expect(await copy).to.equal("too-large");
  });

  it("a body that breaks off breaks for the client too, and has no copy", async () => {
    const source = new PassThrough();
    const { body, copy } = tapBody(source, 10);
    source.write("ab");
    const failure = once(body, "error");
    source.destroy(new Error("cut"));
    expect(((await failure) as [Error])[0].message).to.equal("cut");
    expect(await copy).to.equal("broken");
  });

  it("a client that leaves ends the source", async () => {
    const source = new PassThrough();
    const { body, copy } = tapBody(source, 10);
    const closed = new Promise((resolve) => source.once("close", resolve));
    body.destroy();
    await closed;
    expect(source.destroyed).to.equal(true);
    expect(await copy).to.equal("broken");
  });
});
