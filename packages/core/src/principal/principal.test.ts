import { expect } from "chai";
import { principalOf, provedDigest } from "./principal.ts";

const rules = { credential: ["authorization"], ignoredCookies: [] };
const of = (subject: string | null, authorization: string | null = "Bearer a") =>
  principalOf("s", authorization === null ? [] : [["Authorization", authorization]], rules, subject);

describe("the principal of a request", () => {
  it("is the proved subject whatever the credential, else the credential's digest, else nobody", () => {
    expect(of("alice", "Bearer a").digest).to.equal(of("alice", "Bearer b").digest);
    expect(of("alice").digest).not.to.equal(of("bob").digest);
    expect(of(null, "Bearer a").digest).not.to.equal(of(null, "Bearer b").digest);
    expect(of(null, null).digest).to.equal("");
    expect(of(null).digest).to.equal(of("alice").credential);
  });

  it("a proved subject is never taken for a credential of the same text", () => {
    expect(of("Bearer a").digest).not.to.equal(of(null, "Bearer a").digest);
  });

  it("enters scopes and keys only when it is proved", () => {
    expect(provedDigest(of("alice"))).to.equal(of("alice").digest);
    expect(provedDigest(of(null))).to.equal("");
  });
});
