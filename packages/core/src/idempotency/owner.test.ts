import { expect } from "chai";
import { ownerToken, relationOf } from "./owner.ts";

const secret = "secret";
const id = "1.scope.epoch";
const token = ownerToken(secret, id);

describe("whose process it is", () => {
  for (const [credential, caller, relation] of [
    ["a", { credential: "a", token: null }, "owner"],
    ["a", { credential: "b", token: null }, "stranger"],
    ["a", { credential: "", token: null }, "stranger"],
    ["a", { credential: "b", token }, "owner"],
    ["a", { credential: "", token }, "owner"],
    ["a", { credential: "b", token: ownerToken(secret, "1.scope.other") }, "stranger"],
    ["a", { credential: "b", token: ownerToken("other", id) }, "stranger"],
    ["a", { credential: "a", token: "wrong" }, "owner"],
    ["", { credential: "", token: null }, "anonymous"],
    ["", { credential: "a", token: null }, "stranger"],
    ["", { credential: "", token }, "owner"],
  ] as const)
    it(`of ${credential === "" ? "nobody" : credential}, asked for by ${JSON.stringify(caller.credential)}${caller.token === null ? "" : caller.token === token ? " with its token" : " with another token"}: ${relation}`, () => {
      expect(relationOf(secret, { id, credential }, caller)).to.equal(relation);
    });
});
