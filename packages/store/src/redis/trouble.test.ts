import { Redis } from "ioredis";
import { expect } from "chai";
import { RedisDesync } from "./scripts.ts";
import { troubleOf } from "./trouble.ts";

function reply(message: string): Error {
  return Object.assign(new Error(message), { name: "ReplyError" });
}

describe("trouble with Redis", () => {
  it("has one word for what the server says", () => {
    expect(
      [
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "LOADING Redis is loading the dataset in memory",
        "ERR something else",
      ].map((text) => troubleOf(reply(text))),
    ).to.deep.equal(["readonly", "oom", "loading", "other"]);
  });

  it("tells a reply that belongs to somebody else, silence and a lost connection apart", () => {
    expect(troubleOf(new RedisDesync("x"))).to.equal("desync");
    expect(troubleOf(new Error("Command timed out"))).to.equal("timeout");
    expect(troubleOf(new Error("Connection is closed."))).to.equal("connection");
    expect(troubleOf(new TypeError("the script answered no number"))).to.equal("other");
    expect(troubleOf("text")).to.equal("other");
  });

  it("knows the client's own words for a server that is not there", async () => {
    const client = new Redis({ port: 1, lazyConnect: true, enableOfflineQueue: false, retryStrategy: null });
    client.on("error", () => {});
    const error = await client.get("x").then(
      () => null,
      (cause: unknown) => cause,
    );
    client.disconnect();
    expect(troubleOf(error)).to.equal("connection");
  });
});
