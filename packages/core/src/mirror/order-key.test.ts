import { expect } from "chai";
import fc from "fast-check";
import type { HeaderList } from "../http/message.ts";
import type { MirrorPolicy } from "../registry/service.ts";
import { decimalKey } from "./json-walk.ts";
import { orderKeyPartition, orderKeys, pathParameters } from "./order-key.ts";
import { isSampled, samplePoint } from "./sample.ts";

function key(
  rule: MirrorPolicy["orderKey"],
  path: string,
  more: { headers?: HeaderList; body?: string; principal?: string } = {},
): string {
  const head = { method: "POST", path, query: null, headers: more.headers ?? [] };
  const source = {
    principal: more.principal ?? "t",
    service: "users",
    head,
    body: Buffer.from(more.body ?? ""),
  };
  return orderKeys(source, rule, "secret").orderKey;
}

describe("the order key", () => {
  it("is principal and path by default", () => {
    expect(key(null, "/users/1")).to.equal(key(null, "/users/1")).and.have.length(22);
    expect(key(null, "/users/1")).not.to.equal(key(null, "/users/2"));
    expect(key(null, "/users/1")).not.to.equal(key(null, "/users/1", { principal: "u" }));
  });

  it("comes from a header, the body or path parameters where the route says so", () => {
    const byHeader = { header: "X-Account" };
    const headers: HeaderList = [["x-account", "7"]];
    expect(key(byHeader, "/a", { headers })).to.equal(key(byHeader, "/b", { headers }));
    const byBody = { json: ["user", "id"] };
    expect(key(byBody, "/a", { body: '{"user":{"id":7}}' })).to.equal(
      key(byBody, "/b", { body: '{"user":{"id":7.0,"x":1}}' }),
    );
    expect(key(byBody, "/a", { body: '{"user":{"id":7}}' })).not.to.equal(
      key(byBody, "/a", { body: '{"user":{"id":"7"}}' }),
    );
    expect(key({ path: "/users/{id}" }, "/users/7/address")).to.equal(
      key({ path: "/users/{id}" }, "/users/7"),
    );
  });

  it("tells scalars apart by type and value, whatever the path, and takes nothing else for one", () => {
    const scalars = [
      '"17"',
      "17",
      JSON.stringify(decimalKey("17")),
      '"true"',
      "true",
      "false",
      '"n17"',
      '""',
      "0",
      '"a"',
      '"A"',
    ];
    const keys = scalars.map((value) => key({ json: ["id"] }, "/a", { body: `{"id":${value}}` }));
    expect(new Set(keys).size).to.equal(scalars.length);
    for (const [i, value] of scalars.entries())
      expect(key({ json: ["id"] }, "/b", { body: `{"id":${value}}` }), value).to.equal(keys[i]);
    for (const value of ["null", "[1]", '{"a":1}'])
      expect(key({ json: ["id"] }, "/a", { body: `{"id":${value}}` }), value).to.equal(key(null, "/a"));
  });

  it("falls back to the path where the request lacks it", () => {
    expect(key({ header: "x-account" }, "/a")).to.equal(key(null, "/a"));
    expect(key({ json: ["id"] }, "/a", { body: "no json" })).to.equal(key(null, "/a"));
    expect(key({ path: "/users/{id}" }, "/other")).to.equal(key(null, "/other"));
  });

  it("a collection is one with or without a slash at its end", () => {
    expect(key(null, "/users/")).to.equal(key(null, "/users"));
    expect(key(null, "/")).not.to.equal(key(null, "/users"));
  });

  it("does not let parts run into each other", () => {
    expect(key(null, "/b", { principal: "a" })).not.to.equal(key(null, "b", { principal: "a/" }));
  });
});

describe("pathParameters", () => {
  it("are the names and values of the path, null where the template does not match", () => {
    expect(pathParameters("/a/{x}/b/{y}", "/a/1/b/2/c")).to.equal("x=1&y=2");
    expect(pathParameters("/a/{x}", "/a/")).to.equal(null);
    expect(pathParameters("/a/{x}", "/b/1")).to.equal(null);
    expect(pathParameters("/", "/b/1")).to.equal("");
    expect(pathParameters("/b", "/b/1")).to.equal("");
    expect(pathParameters("/b", "/bc")).to.equal(null);
  });
});

describe("sampling and partitions", () => {
  const hashes = fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString("base64url"));

  it("rate 0 takes none, rate 1 all, and a higher rate only adds keys", () => {
    fc.assert(
      fc.property(
        hashes,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (hash, x, y) => {
          expect(isSampled(hash, 0)).to.equal(false);
          expect(isSampled(hash, 1)).to.equal(true);
          const [low, high] = [Math.min(x, y), Math.max(x, y)];
          if (isSampled(hash, low)) expect(isSampled(hash, high)).to.equal(true);
        },
      ),
    );
  });

  it("spreads real keys evenly over the rate and the partitions", () => {
    const keys = Array.from({ length: 4000 }, (_, i) => key(null, `/users/${i}`));
    const share = keys.filter((hash) => isSampled(hash, 0.25)).length / keys.length;
    expect(share).to.be.closeTo(0.25, 0.03);
    const used = new Set(keys.map((hash) => orderKeyPartition(hash, 64)));
    expect(used.size).to.equal(64);
    expect(keys.every((hash) => samplePoint(hash) >= 0 && samplePoint(hash) < 1)).to.equal(true);
  });
});

describe("orderKeys", () => {
  const keys = (rule: MirrorPolicy["orderKey"], path: string, headers: HeaderList = []) =>
    orderKeys(
      {
        principal: "t",
        service: "users",
        head: { method: "PUT", path, query: null, headers },
        body: Buffer.from('{"id":1}'),
      },
      rule,
      "secret",
    );

  it("come after the paths above, nearest first, and after no sibling and nothing below", () => {
    expect(keys(null, "/users/2/address")).to.deep.equal({
      orderKey: key(null, "/users/2/address"),
      after: [key(null, "/users/2"), key(null, "/users"), key(null, "/")],
    });
    expect(keys(null, "/users/2/").after).to.deep.equal([key(null, "/users"), key(null, "/")]);
    expect(keys(null, "/").after).to.deep.equal([]);
  });

  it("look at a bounded number of paths", () => {
    expect(keys(null, "/a".repeat(100)).after).to.have.length(8);
  });

  it("under a template, come after the paths that it does not match", () => {
    const rule = { path: "/users/{id}" };
    expect(keys(rule, "/users/2/address").after).to.deep.equal([key(null, "/users"), key(null, "/")]);
    expect(keys({ path: "/" }, "/users/2").after).to.deep.equal([]);
  });

  it("made of a header or the body stand alone, as the route says", () => {
    expect(keys({ header: "x-a" }, "/users/2", [["X-A", "1"]]).after).to.deep.equal([]);
    expect(keys({ json: ["id"] }, "/users/2").after).to.deep.equal([]);
    expect(keys({ header: "x-a" }, "/users/2").after).to.have.length(2);
  });
});
