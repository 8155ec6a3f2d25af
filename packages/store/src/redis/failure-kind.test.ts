import { Redis } from "ioredis";
import { expect } from "chai";
import { RedisDesync } from "./scripts.ts";
import { failureKind } from "./failure-kind.ts";

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: "ReplyError" });
}

describe("the kind of a Redis failure", () => {
  it("has one word for what the server says", () => {
    expect(
      [
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "LOADING Redis is loading the dataset in memory",
        "ERR something else",
      ].map((text) => failureKind(reply(text))),
    ).to.deep.equal(["readonly", "oom", "loading", "other"]);
  });

  it("tells a reply that belongs to somebody else, silence and a lost connection apart", () => {
    expect(failureKind(new RedisDesync("x"))).to.equal("desync");
    expect(failureKind(new Error("Command timed out"))).to.equal("timeout");
    expect(failureKind(new Error("Connection is closed."))).to.equal("connection");
    expect(failureKind(new TypeError("the script answered no number"))).to.equal("other");
    expect(failureKind("text")).to.equal("other");
  });

  it("knows the client's own words for a server that is not there", async () => {
    const client = new Redis({ port: 1, lazyConnect: true, enableOfflineQueue: false, retryStrategy: null });
    client.on("error", () => {});
    const error = await client.get("x").then(
      () => null,
      (cause: unknown) => cause,
    );
    client.disconnect();
    expect(failureKind(error)).to.equal("connection");
  });
});
