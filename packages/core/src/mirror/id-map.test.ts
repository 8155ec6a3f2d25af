import { expect } from "chai";
import type { IdMapPolicy } from "../registry/service.ts";
import { learntPair, mappedBody, mappedPath, neededIds, pathPlaces } from "./id-map.ts";

const json = (text: string, location?: string) => ({
  status: 201,
  headers: location === undefined ? [] : ([["Location", location]] as const),
  body: Buffer.from(text),
});
const policy: IdMapPolicy = { from: ["id"], collection: null, into: [{ parameter: "id" }] };
const created = { method: "POST", path: "/users" };

describe("the pair that a creation teaches", () => {
  for (const { what, head = created, map = null, primary, secondary, pair } of [
    {
      what: "numbers, with all their digits",
      primary: json('{"id":9007199254740993}'),
      secondary: json('{"id":41}'),
      pair: { collection: "/users", id: "9007199254740993", secondary: "41" },
    },
    {
      what: "text, below a slash at the end",
      head: { method: "POST", path: "/users/" },
      primary: json('{"id":"a-1"}'),
      secondary: json('{"id":"b-2"}'),
      pair: { collection: "/users", id: "a-1", secondary: "b-2" },
    },
    {
      what: "the configured place",
      map: { ...policy, from: ["data", "key"] },
      primary: json('{"id":1,"data":{"key":7}}'),
      secondary: json('{"id":1,"data":{"key":8}}'),
      pair: { collection: "/users", id: "7", secondary: "8" },
    },
    {
      what: "the end of Location where the body tells none, whatever the prefix",
      primary: json("", "/users/17"),
      secondary: json("made", "http://10.0.0.2/api/users/41/"),
      pair: { collection: "/users", id: "17", secondary: "41" },
    },
    {
      what: "of a nested collection",
      head: { method: "POST", path: "/users/17/posts" },
      primary: json('{"id":5}'),
      secondary: json('{"id":6}'),
      pair: { collection: "/users/17/posts", id: "5", secondary: "6" },
    },
    {
      what: "no other method",
      head: { method: "PUT", path: "/users" },
      primary: json('{"id":1}'),
      secondary: json('{"id":2}'),
      pair: null,
    },
    {
      what: "no refusal",
      primary: { ...json('{"id":1}'), status: 409 },
      secondary: json('{"id":2}'),
      pair: null,
    },
    {
      what: "no failure of the second",
      primary: json('{"id":1}'),
      secondary: { ...json('{"id":2}'), status: 500 },
      pair: null,
    },
    {
      what: "no answer that was not kept",
      primary: { ...json(""), body: null },
      secondary: json('{"id":2}'),
      pair: null,
    },
    {
      what: "no Location that leads elsewhere",
      primary: json("", "/jobs/17"),
      secondary: json("", "/users/41"),
      pair: null,
    },
    { what: "no object as an id", primary: json('{"id":{}}'), secondary: json('{"id":2}'), pair: null },
  ]) {
    it(what, () => {
      expect(learntPair(head, map, primary, secondary)).to.deep.equal(pair);
    });
  }
});

describe("the ids that a copy needs", () => {
  it("are the segments of its path behind the first, each in its collection", () => {
    expect(pathPlaces("/users/17/posts/5")).to.deep.equal([
      { collection: "/users", id: "17" },
      { collection: "/users/17", id: "posts" },
      { collection: "/users/17/posts", id: "5" },
    ]);
    expect(pathPlaces("/users")).to.deep.equal([]);
  });

  const orderKey = { path: "/api/users/{id}" };
  for (const {
    what,
    path,
    idMap = policy,
    order = null,
    base = "/users",
    body = "",
    required,
    inBody = [],
  } of [
    { what: "the segment behind the route's path", path: "/users/17/posts", required: [0] },
    { what: "none where the path ends before it", path: "/users", required: [] },
    { what: "the second segment where the route takes all", path: "/users/17", base: "/", required: [0] },
    {
      what: "the parameter of the order key's template",
      path: "/api/users/17/posts",
      order: orderKey,
      required: [1],
    },
    {
      what: "behind the collection that is named",
      path: "/v1/users/17",
      base: "/",
      idMap: { ...policy, collection: "/v1/users" },
      required: [1],
    },
    {
      what: "a member of the body, in the route's collection",
      path: "/users",
      idMap: { ...policy, into: [{ pointer: ["parent_id"] }] },
      body: '{"parent_id":12345678901234567890}',
      required: [],
      inBody: [["/users", "12345678901234567890"]],
    },
    {
      what: "a member of the body, in the collection that is named",
      path: "/orders",
      base: "/orders",
      idMap: { ...policy, collection: "/users", into: [{ pointer: ["user"] }] },
      body: '{"user":"17"}',
      required: [],
      inBody: [["/users", "17"]],
    },
    {
      what: "no member that is null or missing",
      path: "/users",
      idMap: { ...policy, into: [{ pointer: ["a"] }, { pointer: ["b"] }] },
      body: '{"a":null}',
      required: [],
    },
    {
      what: "no member of a body that is no JSON",
      path: "/users",
      idMap: { ...policy, into: [{ pointer: ["a"] }] },
      body: "a=1",
      required: [],
    },
  ]) {
    it(`require ${what}`, () => {
      const needed = neededIds({ path }, Buffer.from(body), { idMap, orderKey: order }, base);
      expect([...needed.required]).to.deep.equal(required);
      expect(needed.body.map(({ place }) => [place.collection, place.id])).to.deep.equal(inBody);
    });
  }
});

describe("a request with the secondary's ids", () => {
  it("has them in its path where they are known", () => {
    expect(mappedPath("/users/17/posts/5", ["41", null, "6"])).to.equal("/users/41/posts/6");
  });

  for (const [body, id, mapped] of [
    ['{"a": 1.10, "ref": 17}', "41", '{"a": 1.10, "ref": 41}'],
    ['{"ref":"17"}', "41", '{"ref":"41"}'],
    ['{"ref":17}', "b-2", '{"ref":"b-2"}'],
    ['{"other":1}', "41", '{"other":1}'],
    ["no json", "41", "no json"],
  ] as const) {
    it(`has ${id} in the body ${body}, and every other octet`, () => {
      expect(Buffer.from(mappedBody(Buffer.from(body), ["ref"], id)).toString()).to.equal(mapped);
    });
  }
});
