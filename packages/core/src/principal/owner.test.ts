import { expect } from "chai";
import { ownerToken, relationOf } from "./owner.ts";
import { principalOf } from "./principal.ts";

const secret = "secret";
const id = "1.scope.epoch";
const token = ownerToken(secret, id);
const unproved = (credential: string) => ({ subject: null, digest: credential, credential });

describe("whose process it is", () => {
  for (const [credential, caller, sent, relation] of [
    ["a", "a", null, "owner"],
    ["a", "b", null, "stranger"],
    ["a", "", null, "stranger"],
    ["a", "b", token, "owner"],
    ["a", "", token, "owner"],
    ["a", "b", ownerToken(secret, "1.scope.other"), "stranger"],
    ["a", "b", ownerToken("other", id), "stranger"],
    ["a", "a", "wrong", "owner"],
    ["", "", null, "anonymous"],
    ["", "a", null, "stranger"],
    ["", "", token, "owner"],
  ] as const)
    it(`of ${credential === "" ? "nobody" : credential}, asked for by "${caller}"${sent === null ? "" : sent === token ? " with its token" : " with another token"}: ${relation}`, () => {
      const owned = { id, principal: null, credential };
      expect(relationOf([secret], owned, unproved(caller), sent)).to.equal(relation);
    });

  const rules = { credential: ["authorization"], ignoredCookies: [] };
  const as = (subject: string | null, authorization: string) =>
    principalOf(secret, [["Authorization", authorization]], rules, subject);
  const owned = { id, principal: "alice", credential: as("alice", "Bearer 1").digest };

  it("of a proved principal: that principal's, whatever its token of the hour", () => {
    expect(relationOf([secret], owned, as("alice", "Bearer 2"), null)).to.equal("owner");
  });

  it("of a proved principal: nobody else's, with its access token or its owner token", () => {
    expect(relationOf([secret], owned, as("bob", "Bearer 1"), token)).to.equal("stranger");
    expect(relationOf([secret], owned, as(null, "Bearer 1"), token)).to.equal("stranger");
    expect(relationOf([secret], owned, unproved(owned.credential), null)).to.equal("stranger");
  });

  it("begun before authentication was switched on: the credential is compared as before", () => {
    const before = { id, principal: null, credential: as(null, "Bearer 1").digest };
    expect(relationOf([secret], before, as("alice", "Bearer 1"), null)).to.equal("owner");
    expect(relationOf([secret], before, as("alice", "Bearer 2"), null)).to.equal("stranger");
  });
});
