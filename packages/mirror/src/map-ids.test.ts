import { expect } from "chai";
import type { IdMapPolicy, MirrorPolicy } from "@sticky-proxy/core/registry";
import { createMemoryIdMap, testRoute, testService } from "@sticky-proxy/core/testing";
import { learnIds, mapIds } from "./map-ids.ts";

const idMap: IdMapPolicy = { from: ["id"], collection: null, into: [{ parameter: "id" }] };
const answer = (id: number) => ({ status: 201, headers: [], body: Buffer.from(`{"id":${id}}`) });

function world(map: IdMapPolicy | null) {
  const ids = createMemoryIdMap();
  const route = testRoute({ match: { methods: [], path: "/users" } });
  const found = {
    service: testService({ name: "users" }),
    route,
    policy: { idMap: map, orderKey: null } as MirrorPolicy,
  };
  const request = (method: string, path: string, body = "", headers: [string, string][] = []) => ({
    head: { method, path, query: null, headers },
    key: null,
    body: Buffer.from(body),
  });
  return {
    ids,
    request,
    map: (method: string, path: string, body = "", headers: [string, string][] = []) =>
      mapIds(ids, found, request(method, path, body, headers)),
    learn: (path: string, one: number, other: number) =>
      learnIds(ids, found, request("POST", path), answer(one), answer(other)),
  };
}

describe("ids of copies without a map", () => {
  it("a write to an id that the second backend gave to another thing is not sent", async () => {
    const w = world(null);
    expect(await w.learn("/users", 1, 41)).to.deep.equal({ collection: "/users", id: "1", secondary: "41" });
    expect(await w.map("PUT", "/users/1")).to.deep.equal({ kind: "unmapped", id: "/users/1" });
    expect(await w.map("DELETE", "/users/1/posts")).to.include({ kind: "unmapped" });
  });

  it("reads, other ids, other collections and equal ids are sent as they are", async () => {
    const w = world(null);
    await w.learn("/users", 1, 41);
    expect(await w.learn("/users", 2, 2), "equal ids are no news").to.equal(null);
    for (const [method, path] of [
      ["GET", "/users/1"],
      ["PUT", "/users/2"],
      ["PUT", "/books/1"],
      ["POST", "/users"],
    ] as const) {
      const mapped = await w.map(method, path);
      expect(mapped.kind === "mapped" && mapped.request.head.path, `${method} ${path}`).to.equal(path);
    }
  });
});

describe("ids of copies with a map", () => {
  it("copies carry the second backend's ids, in nested paths too", async () => {
    const w = world(idMap);
    expect(await w.learn("/users", 1, 41)).to.equal(null);
    await w.learn("/users/1/posts", 5, 6);
    const mapped = await w.map("PUT", "/users/1/posts/5");
    expect(mapped.kind === "mapped" && mapped.request.head.path).to.equal("/users/41/posts/6");
  });

  it("an id without a pair is not sent, equal ids are pairs like others", async () => {
    const w = world(idMap);
    expect(await w.map("PUT", "/users/9")).to.deep.equal({ kind: "unmapped", id: "/users/9" });
    await w.learn("/users", 9, 9);
    expect(await w.map("PUT", "/users/9")).to.include({ kind: "mapped" });
  });

  it("members of the body are mapped, and what told of its octets is not sent", async () => {
    const w = world({ ...idMap, into: [{ pointer: ["parent"] }] });
    await w.learn("/users", 1, 41);
    const headers: [string, string][] = [
      ["Content-Length", "12"],
      ["Digest", "x"],
      ["Content-Type", "application/json"],
    ];
    const mapped = await w.map("POST", "/users", '{"parent":1}', headers);
    expect(mapped.kind === "mapped" && Buffer.from(mapped.request.body).toString()).to.equal('{"parent":41}');
    expect(mapped.kind === "mapped" && mapped.request.head.headers).to.deep.equal([headers[2]]);
    expect(await w.map("POST", "/users", '{"parent":2}')).to.deep.equal({ kind: "unmapped", id: "/users/2" });
  });
});
